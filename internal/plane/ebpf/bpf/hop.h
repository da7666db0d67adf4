// SPDX-License-Identifier: Apache-2.0
// The next hops that routers have found of late.
#pragma once

#include "frame.h"
#include "learn.h"
#include "stage.h"

// Which of the hops is the place of a destination.
static __always_inline __u32 place_of(__u32 router, struct address *dst)
{
	__u64 mixed = ((__u64)dst->word[0] << 32 | dst->word[1]) * 0x9e3779b97f4a7c15ULL;

	mixed ^= mixed >> 32;
	mixed ^= (__u64)(dst->word[2] ^ router) << 32 | dst->word[3];
	return mixed * 0xd6e8feb86659fd93ULL >> 54 & (HOPS - 1);
}

// 0: it is not known yet.
static __always_inline __u64 get_generation(void)
{
	__u32 zero = 0;
	__u64 *now = bpf_map_lookup_elem(&generation, &zero);

	return now ? *(volatile __u64 *)now : 0;
}

// The coarse time, which goes on with the jiffies: a clock is asked when they do, and not for each packet.
static __always_inline __u64 coarse_now(struct passage *p)
{
	__u64 jiffies = bpf_jiffies64();

	if (jiffies != p->jiffies) {
		p->jiffies = jiffies;
		p->now = bpf_ktime_get_coarse_ns();
	}
	return p->now;
}

// Whether a hop is what packets of the router to dst take now.
static __always_inline int is_current(struct hop *h, __u32 router, struct address *dst, __u64 now)
{
	return h->generation && h->generation == get_generation() && h->router == router && same_address(&h->dst, dst) &&
	       now - h->used <= SECOND;
}

// Takes the place for another destination, and gives the generation from before anything is looked for: an
// element that is told of it when it is complete has nothing that is older.
static __always_inline __u64 begin_hop(struct hop *h)
{
	__u64 now = get_generation();

	// The exchange orders the reads around it, too.
	__sync_lock_test_and_set(&h->generation, 0);
	return now;
}
