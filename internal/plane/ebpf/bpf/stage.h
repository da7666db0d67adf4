// SPDX-License-Identifier: Apache-2.0
// Stages: what a logical switch has done to frames from ports between learning and forwarding. Each
// is a program of its own, with a stack and a verification of its own; a frame goes from one to the
// next by a tail call. Frames that no stage wants go past all of them without one.
//
// A new one is: its place in enum stage (maps/stage.h) and the file of its code, whose end is next_stage, a
// redirection, or drop; the features that it is for in FEATURES_WITH_STAGES, and the frames that it
// wants in wanted_by; its program in vtep.c, and its name in programs.go.
#pragma once

#include "frame.h"
#include "group.h"

// Features that have a stage.
#define FEATURES_WITH_STAGES (FEATURE_SNOOP | FEATURE_GROUPS | FEATURE_SUPPRESS | FEATURE_ROUTE)

// Features for which frames that come by a tunnel need vtep_overlay.
#define FEATURES_LONG_WAY 0

static __always_inline struct passage *get_passage(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&passage, &zero);
}

// Hands the frame on to the next of the stages that are still to come. It comes back if that is not
// there.
static __always_inline void try_stage(struct __sk_buff *skb, struct passage *p)
{
	__u32 todo = p->todo, i;

#pragma unroll
	for (i = 0; i < STAGE_FORWARD; i++) {
		if (todo & 1 << i) {
			p->todo = todo & ~(1 << i);
			bpf_tail_call(skb, &stages, i);
		}
	}
	bpf_tail_call(skb, &stages, STAGE_FORWARD);
}

// The end of a stage that lets the frame go on.
static __always_inline int next_stage(struct __sk_buff *skb, struct passage *p)
{
	try_stage(skb, p);
	return drop(skb, DROP_FAILED);
}

#define ICMPV6_NS 135
#define ICMPV6_NA 136

// Whether the frame is of ARP, or a solicitation or an advertisement of Neighbor Discovery. Those
// with extension headers are none: no host sends them.
static __always_inline int is_neighbor_message(struct __sk_buff *skb)
{
	__u8 proto, type;

	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return 1;
	return skb->protocol == bpf_htons(ETH_P_IPV6) &&
	       !bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, nexthdr), &proto, 1) &&
	       proto == IPPROTO_ICMPV6 &&
	       !bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct ipv6hdr), &type, 1) &&
	       (type == ICMPV6_NS || type == ICMPV6_NA);
}

// The stages that want a frame of a switch with these features, a bit for each.
static __always_inline __u32 wanted_by(struct __sk_buff *skb, struct size *s, __u8 *dst)
{
	__u32 todo = 0;

	if (s->features & (FEATURE_SNOOP | FEATURE_SUPPRESS | FEATURE_ROUTE) && !s->tagged && is_neighbor_message(skb))
		todo |= 1 << STAGE_NEIGHBOR;
	if (s->features & FEATURE_GROUPS && is_group(dst) && !s->tagged && says_of_groups(skb) != SAYS_NOTHING)
		todo |= 1 << STAGE_OVERHEAR;
	return todo;
}

// Notes in the passage what the router has to know. Not inlined, for the stack that the caller needs.
__noinline int note_for_router(__u32 slot, __u32 bd, __u32 router, struct size *s)
{
	struct passage *p = get_passage();

	if (!p || !s)
		return 0;
	p->bd = bd;
	p->slot = slot;
	p->router = router;
	p->size = *s;
	return 0;
}

// Sends the frame to the router of its switch, as the remote r of its destination says.
static __always_inline int to_router(struct __sk_buff *skb, __u32 slot, __u32 bd, struct remote *r, struct size *s)
{
	note_for_router(slot, bd, r->vni, s);
	bpf_tail_call(skb, &stages, STAGE_ROUTE);
	return drop(skb, DROP_FAILED);
}

// Sends the frame through the stages that want it. It comes back if there are none, also if the
// process has just replaced the programs and taken the stages of this one away.
static __always_inline void take_stages(struct __sk_buff *skb, __u32 slot, __u32 gen, struct mac_key *dst, struct size *s)
{
	__u32 todo = wanted_by(skb, s, dst->mac);
	struct passage *p;

	if (!todo)
		return;
	p = get_passage();
	if (!p)
		return;
	p->todo = todo;
	p->bd = dst->bd;
	p->slot = slot;
	p->gen = gen;
	p->size = *s;
	try_stage(skb, p);
}
