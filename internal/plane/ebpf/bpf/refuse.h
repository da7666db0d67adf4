// SPDX-License-Identifier: Apache-2.0
// What a router tells the sender of a packet that it drops.
#pragma once

#include "gateway.h"
#include "icmp.h"

// Drops the packet. The sender is told by the router, if it is at a port.
__noinline int refuse(struct __sk_buff *skb, __u32 reason, __u32 types, __u32 mtu)
{
	struct passage *p = get_passage();
	int result = drop(skb, reason);
	struct message *about = get_message();
	struct gateway *g;

	if (!p || !p->slot || !about)
		return result;
	g = gateway_of(p->bd);
	if (!g || is_no_address(skb->protocol == bpf_htons(ETH_P_IP) ? &g->ip : &g->ip6))
		return result;
	about->type = types >> 24;
	about->code = types >> 16;
	about->type6 = types >> 8;
	about->code6 = types;
	about->router = 1;
	about->mtu = mtu;
	about->ip = g->ip;
	about->ip6 = g->ip6;
	__builtin_memcpy(about->mac, g->mac, ETH_ALEN);
	return tell_sender(skb, p->slot, result);
}

#define TYPES(type, code, type6, code6) ((type) << 24 | (code) << 16 | (type6) << 8 | (code6))
#define TELL_NO_ROUTE TYPES(ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ICMPV6_DEST_UNREACH, 0)
#define TELL_EXPIRED TYPES(ICMP_TIME_EXCEEDED, 0, ICMPV6_TIME_EXCEEDED, 0)
#define TELL_TOO_BIG TYPES(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMPV6_PKT_TOOBIG, 0)
