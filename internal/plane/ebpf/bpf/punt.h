// SPDX-License-Identifier: Apache-2.0
// Punting: the agent is shown a frame, or as much of it as it needs. What becomes of the frame is for
// the caller to say. Of each reason there are only so many in a second, and as many again that are kept for the
// first of each switch: nobody keeps the agent from its work, or others' frames from the agent.
#pragma once

#include "learn.h"

_Static_assert(PUNT_ANSWER < PUNT_SHARED && 2 * PUNT_SHARED <= PUNT_REASONS, "each reason has two places in punted");

// Of a reason so many are shown at once, and then one in that time.
#define PUNT_BURST 1024
#define PUNT_PAUSE (SECOND / 2048)

// Of those a switch has so many at once, and then one in that time.
#define SHARE_BURST 32
#define SHARE_PAUSE (SECOND / 64)

// Whether one more may be shown. Several CPUs at once may let a few more pass.
static __always_inline int punt_due(__u64 *due, __u64 now, __u64 burst, __u64 pause)
{
	__u64 at = *due > now ? *due : now;

	if (at - now > burst * pause)
		return 0;
	*due = at + pause;
	return 1;
}

// Whether the frame is of a switch of which little is shown.
static __always_inline int share_allows(struct punt_head *about, __u64 now)
{
	struct punt_share key = {.bd = about->bd, .reason = about->reason};
	__u64 *due = bpf_map_lookup_elem(&punt_shares, &key), first = now + SHARE_PAUSE;

	if (due)
		return punt_due(due, now, SHARE_BURST, SHARE_PAUSE);
	bpf_map_update_elem(&punt_shares, &key, &first, BPF_ANY);
	return 1;
}

static __always_inline int punt_allows(struct punt_head *about, struct punt_count *r, __u64 now)
{
	__u32 shared = about->reason + PUNT_SHARED;
	struct punt_count *kept = bpf_map_lookup_elem(&punted, &shared);

	if (kept && share_allows(about, now) && punt_due(&kept->due, now, PUNT_BURST, PUNT_PAUSE))
		return 1;
	return punt_due(&r->due, now, PUNT_BURST, PUNT_PAUSE);
}

// Notes when the agent began to be behind.
static __always_inline void note_unread(void)
{
	__u32 zero = 0;
	__u64 *since = bpf_map_lookup_elem(&unread, &zero);

	if (since && !bpf_ringbuf_query(&punts, BPF_RB_AVAIL_DATA))
		*since = bpf_ktime_get_coarse_ns();
}

// Counts a frame that is not shown.
static __always_inline void punt_refused(__u32 reason)
{
	struct punt_count *r = bpf_map_lookup_elem(&punted, &reason);

	if (r)
		__sync_fetch_and_add(&r->refused, 1);
}

// Shows `part` bytes of the frame in an element that has room for more.
static __always_inline int punt_part(struct __sk_buff *skb, struct punt_head *about, __u32 part, const __u64 room)
{
	struct punt_head *e = bpf_ringbuf_reserve(&punts, sizeof(*e) + room, 0);
	__u64 last = part - 1;

	if (!e)
		return 0;
	*e = *about;
	if (room) {
		// That it is 1 to room, in the way that the verifier of Linux 6.1 sees it.
		asm volatile("" : "+r"(last));
		if (last >= room || bpf_skb_load_bytes(skb, 0, e + 1, last + 1)) {
			bpf_ringbuf_discard(e, 0);
			return 0;
		}
	}
	bpf_ringbuf_submit(e, 0);
	return 1;
}

// Shows the frame to the agent, `most` bytes of it at most (PUNT_LARGE; 0: nothing but what is
// said about it). 0: it was refused, and that is counted.
__noinline int punt(struct __sk_buff *skb, struct punt_head *about, __u32 most)
{
	__u32 part = most ? skb->len : 0, reason;
	struct punt_count *r;
	int shown;

	if (!about)
		return 0;
	reason = about->reason;
	r = bpf_map_lookup_elem(&punted, &reason);
	if (!r)
		return 0;
	about->length = part;
	if (part > most)
		part = most;
	note_unread();
	if (!punt_allows(about, r, bpf_ktime_get_ns()))
		shown = 0;
	else if (!part)
		shown = punt_part(skb, about, 0, 0);
	else if (part <= PUNT_SMALL)
		shown = punt_part(skb, about, part, PUNT_SMALL);
	else if (part <= PUNT_LARGE)
		shown = punt_part(skb, about, part, PUNT_LARGE);
	else
		shown = 0;
	__sync_fetch_and_add(shown ? &r->told : &r->refused, 1);
	return shown;
}
