// SPDX-License-Identifier: Apache-2.0
// Overhearing: what hosts and routers say of groups is shown to the agent, and forwarded. For frames
// from ports this is a stage; those from tunnels are few.
#pragma once

#include "group.h"
#include "punt.h"
#include "stage.h"

static __always_inline void came_by_whom(struct __sk_buff *skb, struct punt_head *about)
{
	about->vni = skb->cb[0] & CAME_WHAT;
	about->ip.word[0] = skb->cb[1];
	about->ip.word[1] = skb->cb[2];
	about->ip.word[2] = skb->cb[3];
	about->ip.word[3] = skb->cb[4];
}

// Of a binding, and of all tunnels of a switch, so many messages are shown at once, and then one in
// that time.
#define GROUP_BURST 512
#define GROUP_PAUSE (SECOND / 256)

static __always_inline int group_allows(struct group_key *from, __u64 now)
{
	struct group_rate *r = bpf_map_lookup_elem(&group_rates, from), fresh = {};
	__u64 at;

	if (!r) {
		fresh.due = now + GROUP_PAUSE;
		bpf_map_update_elem(&group_rates, from, &fresh, BPF_ANY);
		return 1;
	}
	at = r->due > now ? r->due : now;
	if (at - now > GROUP_BURST * GROUP_PAUSE)
		return 0;
	r->due = at + GROUP_PAUSE;
	return 1;
}

// Notes that the agent misses something of a switch.
static __always_inline void lose_group(__u32 bd, __u64 now)
{
	struct group_key all = {.bd = bd};
	struct group_rate lost = {.lost = now};

	bpf_map_update_elem(&group_rates, &all, &lost, BPF_ANY);
}

// Shows the agent a frame that says something of groups.
__noinline int overhear(struct __sk_buff *skb, struct size *s, __u32 bd, __u32 slot, __u32 gen)
{
	struct punt_head about = {.reason = PUNT_MEMBERSHIP, .bd = bd, .slot = slot, .gen = gen};
	struct group_key from = {.bd = bd, .slot = slot ? slot : ANY_TUNNEL};
	__u64 now = bpf_ktime_get_coarse_ns();
	int says;

	if (!s || s->tagged)
		return 0;
	says = says_of_groups(skb);
	if (says == SAYS_NOTHING)
		return 0;
	if (says == SAYS_HOST)
		s->features |= FRAME_REPORT;
	if (!slot)
		came_by_whom(skb, &about);
	if (!group_allows(&from, now))
		punt_refused(PUNT_MEMBERSHIP);
	else if (punt(skb, &about, PUNT_LARGE))
		return 0;
	lose_group(bd, now);
	return 0;
}

static __always_inline int overhear_port(struct __sk_buff *skb)
{
	struct passage *p = get_passage();

	if (!p)
		return drop(skb, DROP_FAILED);
	overhear(skb, &p->size, p->bd, p->slot, p->gen);
	return next_stage(skb, p);
}
