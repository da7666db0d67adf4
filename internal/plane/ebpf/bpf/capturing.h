// SPDX-License-Identifier: Apache-2.0
// What is done where capture is called (capture.h): in the programs that are compiled with CAPTURE.
#pragma once

#include "captured.h"
#include "frame.h"

#define CAPTURE_BYTES 65536 // of a frame, at most one less

// What the agent reads: `kept` bytes of the frame behind the head.
struct captured {
	struct capture_head head;
	__u8 bytes[CAPTURE_BYTES];
};

// One for each CPU: what is known of the frame under way.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32); // CPU
	__type(value, struct captured);
} capture_room SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct capture_filter);
} capture_wants SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} capture_ring SEC(".maps");

// How many did not fit into the ring.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} capture_lost SEC(".maps");

static __always_inline int capture_differs(__u8 *a, __u8 *b)
{
	__u16 *x = (__u16 *)a, *y = (__u16 *)b;

	return (x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]);
}

static __always_inline int capture_wanted(struct capture_head *r, struct capture_filter *f)
{
	__u32 has = f->has;

	if (!(f->kinds >> (r->kind & 31) & 1))
		return 0;
	if (r->kind == CAPTURE_DROP && !(f->reasons >> (r->reason & 63) & 1))
		return 0;
	if (has & CAPTURE_HAS_PORT && r->ifindex != f->ifindex && (!(r->came[0] & BY_PORT) || r->came[1] != f->ifindex))
		return 0;
	if (has & CAPTURE_HAS_VLAN && (!r->ifindex || r->vid != f->vid) && r->came[0] != (BY_PORT | f->vid))
		return 0;
	if (has & CAPTURE_HAS_SWITCH && r->bd != f->bd)
		return 0;
	if (has & CAPTURE_HAS_VNI && r->bd != f->vni_bd && r->came[0] != (BY_TUNNEL | f->vni) &&
	    (r->kind != CAPTURE_OUT_TUNNEL || r->vni != f->vni))
		return 0;
	if (has & CAPTURE_HAS_PEER &&
	    (!(r->came[0] & BY_TUNNEL) || !same_address((struct address *)&r->came[1], &f->peer)) &&
	    (r->kind != CAPTURE_OUT_TUNNEL || !same_address(&r->peer, &f->peer)))
		return 0;
	return !(has & CAPTURE_HAS_MAC) || !capture_differs(r->macs, f->mac) || !capture_differs(r->macs + ETH_ALEN, f->mac);
}

// A global function, so that the verifier looks at it once. It changes nothing of the frame. Little is on the
// stack, of which whoever calls may have hardly any left.
__noinline int capture(struct __sk_buff *skb, __u32 kind, __u32 what, __u32 vni)
{
	__u32 key = bpf_get_smp_processor_id(), n;
	struct captured *room = bpf_map_lookup_elem(&capture_room, &key);
	struct capture_filter *wants;
	struct member *m;
	struct peer *p;
	struct capture_head *r;
	__u64 *lost;

	if (!room)
		return 0;
	r = &room->head;
	if (kind == CAPTURE_IN || kind == CAPTURE_OWN) {
		// The count is above, and the CPU below: so no two are the same.
		r->frame = (r->frame & ~0xffffULL) + 0x10000 + key;
		r->bd = what;
	}
	if (kind == CAPTURE_ENTER)
		r->bd = what;
	if (kind >= CAPTURE_OWN)
		return 0;
	r->kind = kind;
	r->ifindex = r->vid = r->vni = r->reason = 0;
	if (kind == CAPTURE_DROP)
		r->reason = what;
	key = what;
	if (kind == CAPTURE_OUT_PORT) {
		m = bpf_map_lookup_elem(&members, &key);
		if (m) {
			r->ifindex = m->ifindex;
			r->vid = m->vid;
			r->bd = m->bd;
		}
	}
	if (kind == CAPTURE_OUT_TUNNEL) {
		p = bpf_map_lookup_elem(&peers, &key);
		if (p)
			r->peer = p->ip;
		r->vni = vni;
	}
	r->came[0] = skb->cb[0];
	r->came[1] = skb->cb[1];
	r->came[2] = skb->cb[2];
	r->came[3] = skb->cb[3];
	r->came[4] = skb->cb[4];
	if (bpf_skb_load_bytes(skb, 0, r->macs, sizeof(r->macs)))
		__builtin_memset(r->macs, 0, sizeof(r->macs));
	key = 0;
	wants = bpf_map_lookup_elem(&capture_wants, &key);
	if (!wants || !capture_wanted(r, wants))
		return 0;
	r->at = bpf_ktime_get_ns();
	r->tag = skb->vlan_present ? skb->vlan_proto << 16 | (skb->vlan_tci & 0xffff) : 0;
	r->gso_size = skb->gso_size;
	r->length = skb->len;
	n = wants->most;
	if (n > skb->len)
		n = skb->len;
	asm volatile("" : "+r"(n)); // or what comes now would go
	// 1 to CAPTURE_BYTES: that it is not 0 the verifier of Linux 6.1 does not learn from a comparison.
	n = ((n - 1) & (CAPTURE_BYTES - 1)) + 1;
	r->kept = n;
	if (bpf_skb_load_bytes(skb, 0, room->bytes, n))
		return 0;
	if (!bpf_ringbuf_output(&capture_ring, room, offsetof(struct captured, bytes) + n, 0))
		return 0;
	lost = bpf_map_lookup_elem(&capture_lost, &key);
	if (lost)
		__sync_fetch_and_add(lost, 1);
	return 0;
}
