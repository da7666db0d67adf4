// SPDX-License-Identifier: Apache-2.0
// Frames of the VTEP itself. The agent has vtep_send run with a frame, and in the control block
// where it is to go: what reaches hosts and peers is made as it is for everybody's frames.
#pragma once

#include "flood.h"

static __always_inline int send_member(struct __sk_buff *skb, __u32 slot, __u32 bd, struct size *s)
{
	struct member *m = bpf_map_lookup_elem(&members, &slot);

	if (!m || m->bd != bd)
		return drop(skb, DROP_NO_DESTINATION);
	return copy_member(skb, m, slot, s);
}

static __always_inline int send_flood(struct __sk_buff *skb, __u32 bd, __u32 except, struct size *s)
{
	struct mac_key key = {.bd = bd, .kind = FLOOD_MEMBERS};
	struct flooding f = {.skb = skb, .from = except};
	struct settings *cfg = get_config();
	struct flood_set set = {};

	if (!cfg)
		return drop(skb, DROP_FAILED);
	f.held = f.sent = f.lanes = f.withheld = f.last.peer = f.last.id = cfg->zero;
	f.size = *s;
	f.bd = bd;
	find_flood_set(&key, &set);
	flood_list(&f, &set);
	key.kind = FLOOD_TUNNELS;
	find_flood_set(&key, &set);
	flood_list(&f, &set);
	if (!f.held)
		return drop(skb, DROP_NO_DESTINATION);
	copy_last(&f);
	return 0;
}

// Counts a frame that the agent has kept, and can't send. It may be run again for the next one.
static __always_inline int send_nobody(struct __sk_buff *skb)
{
	__u32 reason = skb->cb[1];

	skb->cb[0] = skb->cb[2];
	skb->cb[1] = skb->cb[3];
	drop(skb, reason < DROP_REASONS ? reason : DROP_FAILED);
	skb->cb[0] = SEND_NOBODY;
	skb->cb[1] = reason;
	return 0;
}

// 0: it was sent.
static __always_inline int send(struct __sk_buff *skb)
{
	__u32 to = skb->cb[0], a = skb->cb[1], b = skb->cb[2], acl = skb->cb[3];
	struct target t = {.peer = a, .id = b};
	struct size size;
	int why;

	if (to == SEND_NOBODY)
		return send_nobody(skb);
	skb->cb[0] = BY_NOTHING;
	capture(skb, CAPTURE_OWN, to == SEND_FLOOD ? a : to == SEND_MEMBER ? b : 0, 0);
	measure(skb, 0, &size);
	size.leaves = priorities(skb, 0);
	if (acl) {
		why = acl_refuses(skb, acl, 1, &size);
		if (why)
			return drop(skb, why);
	}
	switch (to) {
	case SEND_MEMBER:
		return send_member(skb, a, b, &size);
	case SEND_TUNNEL:
		return copy_tunnel(skb, &t, &size) ? 0 : TC_ACT_SHOT;
	case SEND_FLOOD:
		return send_flood(skb, a, b, &size);
	}
	return drop(skb, DROP_FAILED);
}
