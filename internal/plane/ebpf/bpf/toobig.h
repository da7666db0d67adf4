// SPDX-License-Identifier: Apache-2.0
// Path MTU: a frame that is too big for the underlay is dropped, but its sender is told, in
// the name of the receiver, as the kernel's bridged tunnels do. Without that, hosts whose
// MTU is that of the underlay could open connections and never get data through.
#pragma once

#include "icmp.h"

// Drops a frame that came in at slot and does not fit into a tunnel; mtu is what would fit.
// Now and then its sender is told.
__noinline int too_big(struct __sk_buff *skb, __u32 slot, __u32 mtu, struct size *s)
{
	struct message *about = get_message();
	int result = drop(skb, DROP_TOO_BIG);

	if (!s || s->tagged || !about)
		return result;
	__builtin_memset(about, 0, sizeof(*about));
	about->type = ICMP_DEST_UNREACH;
	about->code = ICMP_FRAG_NEEDED;
	about->type6 = ICMPV6_PKT_TOOBIG;
	about->mtu = mtu;
	return tell_sender(skb, slot, result);
}
