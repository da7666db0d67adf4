// SPDX-License-Identifier: Apache-2.0
// Flooding: one copy to each target of up to two lists, members before tunnels (a frame
// that has been given tunnel metadata must not leave by a port any more).
#pragma once

#include "group.h"
#include "lane.h"
#include "limit.h"
#include "output.h"

enum sent {
	SENT_TUNNEL = 1, // a tunnel got a copy, or will get it by a lane
	SENT_MEMBER = 2, // a member got one
};

struct flooding {
	struct __sk_buff *skb;
	__u32 list;
	__u32 bd;
	__u32 from; // slot it came from, gets no copy; 0: from a tunnel
	struct size size;
	// What the walk changes. It begins with zeroes that the verifier must not know: it may
	// check the callback once only, for the first target, and then takes away as dead the
	// code that only later ones reach (seen with Linux 6.1).
	__u8 held; // 1: last is waiting
	__u8 sent; // enum sent
	__u8 lanes; // 1: the frame may have lanes
	__u8 withheld; // why members got none, which is no drop while somebody gets the frame; 0: nothing is
	// The walk is one target behind, so that the last target gets the frame itself.
	struct target last;
};

// Whether the member, which is of a segment, gets no copy. Why the first in the order of reasons did not is noted.
static __always_inline int withhold(struct flooding *f, __u32 slot)
{
	int why = withheld(f->skb, slot, f->size.features);

	if (why && (!f->withheld || why < f->withheld))
		f->withheld = why;
	return why;
}

// Sends a copy to f->last.
static __always_inline void copy_last(struct flooding *f)
{
	struct member *m;
	__u32 slot;

	if (f->last.peer) {
		if (f->lanes && take_lane(f->skb, &f->last, &f->size))
			f->sent |= SENT_TUNNEL;
		else if (copy_tunnel(f->skb, &f->last, &f->size))
			f->sent |= SENT_TUNNEL;
		return;
	}
	slot = f->last.id;
	m = bpf_map_lookup_elem(&members, &slot);
	if (!m || m->bd != f->bd)
		return;
	if (m->features & FEATURE_SEGMENT && withhold(f, slot))
		return;
	if (!copy_member(f->skb, m, slot, &f->size))
		f->sent |= SENT_MEMBER;
}

static long flood_one(__u32 i, void *ctx)
{
	struct flooding *f = ctx;
	struct chunk_key key = {.list = f->list, .seq = i / CHUNK_TARGETS};
	struct chunk *c = bpf_map_lookup_elem(&chunks, &key);
	struct target *t;

	if (!c)
		return 1;
	t = &c->targets[i % CHUNK_TARGETS];
	if (!t->peer && (!t->id || t->id == f->from))
		return 0;
	if (f->held)
		copy_last(f);
	f->last = *t;
	f->held = 1;
	return 0;
}

static __always_inline void flood_list(struct flooding *f, struct flood_set *l)
{
	if (!l->count)
		return;
	f->list = l->list;
	bpf_loop(l->count, flood_one, f, 0);
}

// Of flood: a frame from a port is to be dropped, and its sender told. What fits is added. The
// caller does so, and not flood, for the stack that all have together is small.
#define FLOOD_TOO_BIG 0x10000

// dst.bd and dst.mac are the frame's; from as in struct flooding. Without `from` the frame
// came by a tunnel, and goes to members only.
__noinline int flood(struct __sk_buff *skb, struct mac_key *dst, __u32 from, struct size *s)
{
	struct flooding f = {.skb = skb, .from = from};
	struct settings *cfg = get_config();
	struct mac_key key = {};
	struct flood_set set = {};
	struct member *m;
	struct peer *p;
	__u32 slot, nobody = DROP_NO_DESTINATION;
	int result, found;

	if (!cfg || !dst || !s)
		return drop(skb, DROP_FAILED);
	if (from ? is_bfd_mac(dst->mac) : is_bfd(skb))
		return drop(skb, DROP_BFD);
	if (!audience(dst, s->features, &set) && s->features & (FEATURE_FLOOD_NEIGHBORS | FEATURE_FLOOD_NONE) &&
	    is_limited(skb, dst, s))
		return drop(skb, DROP_FLOOD_LIMITED);
	f.held = f.sent = f.lanes = f.withheld = f.last.peer = f.last.id = cfg->zero;
	f.size = *s;
	f.bd = dst->bd;
	key.bd = dst->bd;
	flood_list(&f, &set);

	if (from) {
		key.kind = FLOOD_TUNNELS;
		found = 0;
		if (is_group(dst->mac)) {
			__builtin_memcpy(key.mac, dst->mac, ETH_ALEN);
			found = find_flood_set(&key, &set);
			__builtin_memset(key.mac, 0, ETH_ALEN);
		}
		if (!found)
			find_flood_set(&key, &set);
		if (set.count && s->tagged && !(s->features & FEATURE_INNER_TAGS))
			nobody = DROP_TAGGED_OVERLAY; // members still get theirs
		else if (set.count) {
			f.lanes = open_lanes(skb, &f.size);
			flood_list(&f, &set);
		}
	}

	if (!f.held) {
		if (f.lanes)
			close_lanes(skb); // none: another frame may have them
		return drop(skb, nobody);
	}
	if (f.lanes) {
		if (!take_lane(skb, &f.last, &f.size) && has_lanes())
			copy_tunnel(skb, &f.last, &f.size);
		result = close_lanes(skb);
		if (result != LONG_WAY)
			return result;
	}
	if (f.last.peer) {
		// A unicast frame that no tunnel could take: its receiver is not heard of yet,
		// and never will be if the sender does not learn to send less.
		p = bpf_map_lookup_elem(&peers, &f.last.peer);
		if (p && !(f.sent & SENT_TUNNEL) && !is_group(dst->mac) && !fits_tunnel(p, &f.size) &&
		    !may_fragment(skb, cfg, p))
			return FLOOD_TOO_BIG + p->mtu - outer_headers(p);
		return redirect_tunnel(skb, &f.last, &f.size);
	}
	slot = f.last.id;
	m = bpf_map_lookup_elem(&members, &slot);
	if (!m || m->bd != f.bd)
		return f.sent ? TC_ACT_SHOT : drop(skb, f.withheld ?: DROP_NO_DESTINATION);
	if (m->features & FEATURE_SEGMENT && withhold(&f, slot))
		return f.sent ? TC_ACT_SHOT : drop(skb, f.withheld);
	return redirect_member(skb, m, slot, &f.size);
}
