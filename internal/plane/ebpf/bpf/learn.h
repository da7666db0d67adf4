// SPDX-License-Identifier: Apache-2.0
// Learning: which binding a source MAC is behind. Forwarding does not wait for the agent;
// the agent hears of it through the ring and writes the database.
#pragma once

#include <linux/errno.h>

#include "frame.h"

#define SECOND 1000000000ULL

// The entry of key if it still means something: the slot may have got another meaning
// since it was learned, which its generation shows.
static __always_inline struct local *find_local(struct mac_key *key, struct member **where)
{
	struct local *l = bpf_map_lookup_elem(&locals, key);
	struct member *m;
	__u32 slot;

	if (!l)
		return NULL;
	slot = l->slot;
	m = bpf_map_lookup_elem(&members, &slot);
	if (!m || m->bd != key->bd || m->gen != l->gen)
		return NULL;
	*where = m;
	return l;
}

// The slot that the MAC is at: as r, its remote, says, or without one as was learned. 0, and no member in `where`: it is at none,
// or at one that has just gone.
static __always_inline __u32 find_slot(struct mac_key *key, struct remote *r, struct member **where)
{
	struct member *m;
	struct local *l;
	__u32 slot;

	if (!r) {
		l = find_local(key, where);
		return l ? l->slot : 0;
	}
	slot = r->vni;
	m = bpf_map_lookup_elem(&members, &slot);
	if (!m || m->bd != key->bd)
		return 0;
	*where = m;
	return slot;
}

static __always_inline struct quota *get_quota(__u32 port)
{
	return bpf_map_lookup_elem(&quotas, &port);
}

// Takes one place of q. Without one left it answers 0.
static __always_inline int take(struct quota *q)
{
	__u32 limit = q->limit;

	if ((__s32)__sync_fetch_and_add(&q->count, 1) < (__s32)limit || !limit)
		return 1;
	__sync_fetch_and_add(&q->count, -1);
	__sync_fetch_and_add(&q->refused, 1);
	return 0;
}

static __always_inline void give(struct quota *q)
{
	__sync_fetch_and_add(&q->count, -1);
}

// What a port may tell of new MACs while the ring is more than half full: so many in a second, and as many at once. So one
// with a crowd behind it leaves the other half to the others.
#define TELL_PAUSE (SECOND / 1024)
// Of MACs that are refused, of which every frame could be told, these.
#define TELL_REFUSED_PAUSE (SECOND / 100)
#define TELL_BURST SECOND

// Whether a port may tell once more of what it may tell of once in each pause.
static __always_inline int affords(struct quota *port, __u64 now, __u64 pause)
{
	__u64 paid = port->told;

	if (paid < now)
		paid = now;
	if (paid - now >= TELL_BURST)
		return 0;
	port->told = paid + pause; // of several CPUs some may tell for nothing
	return 1;
}

// Tells the agent of a MAC, of which it is why it hears. 0: it will have to look for itself, which it is told.
static __always_inline int tell(struct mac_key *key, __u32 slot, __u32 gen, enum why why)
{
	__u32 zero = 0;
	struct sighting s = {.bd = key->bd, .why = why, .slot = slot, .gen = gen};
	struct quota *total;

	__builtin_memcpy(s.mac, key->mac, ETH_ALEN);
	if (!bpf_ringbuf_output(&events, &s, sizeof(s), 0))
		return 1;
	total = bpf_map_lookup_elem(&quotas, &zero);
	if (total)
		__sync_fetch_and_add(&total->lost, 1);
	return 0;
}

// The same for what a port has a share of.
static __always_inline int tell_of(struct quota *total, struct quota *port, struct mac_key *key,
				   struct local *l, enum why why)
{
	if (!affords(port, l->seen, TELL_PAUSE) &&
	    bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > EVENTS_SIZE / 2) {
		__sync_fetch_and_add(&total->lost, 1);
		return 0;
	}
	return tell(key, l->slot, l->gen, why);
}

// The agent hears also of MACs that all together have no place for, because it decides who must make
// place; but not of each of their frames.
static __always_inline void tell_refused(struct quota *port, struct mac_key *key, struct local *l)
{
	__sync_fetch_and_add(&port->lost, 1);
	if (affords(port, l->seen, TELL_REFUSED_PAUSE))
		tell(key, l->slot, l->gen, WHY_LEARNED);
}

// Deletes an entry and gives its places back. Of several who want to, one does: it is the
// port that is taken out of the entry first.
static __always_inline int unlearn(struct mac_key *key, struct local *l)
{
	__u32 port = __sync_lock_test_and_set(&l->port, LEAVING);
	struct quota *q;

	if (port == LEAVING)
		return 0;
	bpf_map_delete_elem(&locals, key);
	q = get_quota(0);
	if (q)
		give(q);
	q = get_quota(port);
	if (q)
		give(q);
	return 1;
}

// Has the agent told of the MAC's IP addresses again: it may know none any more.
static __always_inline void forget_addresses(struct mac_key *key)
{
	struct mac_key of = *key;

	of.kind = FAMILY_IPV4;
	bpf_map_delete_elem(&snooped, &of);
	of.kind = FAMILY_IPV6;
	bpf_map_delete_elem(&snooped, &of);
}

// Of learn: the MAC is one that a router is reached by. It is never learned.
#define SPOOFED 1

// The slow part of learn: once for each MAC and each of its moves.
static __noinline int learn_new(struct mac_key *key, __u32 slot)
{
	struct remote *r = bpf_map_lookup_elem(&remotes, key);
	struct member *m = bpf_map_lookup_elem(&members, &slot);
	struct quota *total = get_quota(0), *port, *old;
	struct local *l, fresh = {};
	__u32 was;
	long err;

	if (r && r->peer == ROUTER_PEER)
		return SPOOFED;
	if (!m || !m->port || !total || is_bfd_mac(key->mac)) // without a port: its binding goes just now
		return 0;
	port = get_quota(m->port);
	if (!port)
		return 0;
	fresh.slot = slot;
	fresh.gen = m->gen;
	fresh.port = m->port;
	fresh.seen = bpf_ktime_get_coarse_ns();

	l = bpf_map_lookup_elem(&locals, key);
	if (!l) {
		if (!take(total)) {
			tell_refused(port, key, &fresh);
			return 0;
		}
		if (!take(port)) {
			give(total);
			return 0;
		}
		err = bpf_map_update_elem(&locals, key, &fresh, BPF_NOEXIST);
		if (err) {
			give(port);
			give(total);
			// No room, until there is a larger map: the agent puts it there. Else another CPU was faster.
			if (err != -EEXIST && !tell_of(total, port, key, &fresh, WHY_NO_ROOM)) {
				__sync_fetch_and_add(&total->refused, 1);
				__sync_fetch_and_add(&port->lost, 1);
			}
			return 0;
		}
		tell_of(total, port, key, &fresh, WHY_LEARNED);
		forget_addresses(key);
		return 0;
	}

	// A move. Its old place stops counting; if the new port is full the MAC is known
	// nowhere, so that its frames are flooded rather than sent to where it left. The entry
	// stays the same, so that whoever deletes it meanwhile gives back what it then holds.
	was = l->port;
	if (was == LEAVING)
		return 0;
	if (was != m->port) {
		if (!take(port)) {
			unlearn(key, l);
			return 0;
		}
		// Of several CPUs that move it at once, only one may change the counts.
		if (__sync_val_compare_and_swap(&l->port, was, m->port) != was) {
			give(port);
			return 0;
		}
		old = get_quota(was);
		if (old)
			give(old);
	}
	l->seen = fresh.seen;
	*(volatile __u64 *)&l->slot = (__u64)fresh.gen << 32 | slot; // both at once
	tell_of(total, port, key, &fresh, WHY_LEARNED);
	forget_addresses(key);
	return 0;
}

struct forgetting {
	struct __sk_buff *skb;
	__u32 n; // that were there
};

static long forget_one(__u32 i, void *ctx)
{
	struct forgetting *f = ctx;
	struct mac_key key;
	struct local *l;

	if (bpf_skb_load_bytes(f->skb, ETH_HLEN + i * sizeof(key), &key, sizeof(key)))
		return 1;
	l = bpf_map_lookup_elem(&locals, &key);
	if (l)
		f->n += unlearn(&key, l);
	return 0;
}

// Deletes the MACs whose keys stand behind an Ethernet header, for the agent.
static __always_inline int forget(struct __sk_buff *skb)
{
	struct forgetting f = {.skb = skb};

	bpf_loop(FORGET_MAX, forget_one, &f, 0);
	return f.n;
}

// Notes that the MAC is still there.
static __always_inline void see(struct local *l, __u64 now)
{
	// At most one write a second, or the entry's cache line would bounce between CPUs.
	if (now - l->seen > SECOND)
		l->seen = now;
}

static __noinline int learn(struct mac_key *key, __u32 slot, __u32 gen)
{
	struct settings *cfg;
	struct local *l;

	if (!key)
		return 0;
	l = bpf_map_lookup_elem(&locals, key);
	if (!l || l->slot != slot || l->gen != gen)
		return learn_new(key, slot);
	see(l, bpf_ktime_get_coarse_ns());
	cfg = get_config();
	if (cfg && cfg->flags & CONFIG_WATCHED && bpf_map_lookup_elem(&watched, key) &&
	    !bpf_map_delete_elem(&watched, key)) // of several CPUs one tells
		tell(key, slot, gen, WHY_LEARNED);
	return 0;
}
