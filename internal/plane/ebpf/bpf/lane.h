// SPDX-License-Identifier: Apache-2.0
// Lanes: the copies of a flooded frame that the program sends to tunnels itself, past the vxlan device. The frame gets
// the outer headers once, and what differs from peer to peer is written anew for each copy. So those that have to take
// the long way, as they are, come first: while the list is walked, lanes are only noted.
//
// Nothing but the agent says how the next hop is addressed: helpers that ask the kernel for that either send the
// frame itself, not a copy, or want the machine to be a router. As long as the agent says so a peer has a lane, but for the
// first copy after each of its looks, which takes the long way: so the kernel notices that the next hop is in use, and
// looks after it.
#pragma once

#include "direct.h"

_Static_assert(sizeof(struct tunnelled) == sizeof(((struct lanes *)0)->head), "all headers of a copy");

static __always_inline struct lanes *get_lanes(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&lanes, &zero);
}

// Makes the headers that all copies of the frame have in common. 0: it has no lanes. Else they are to be closed.
__noinline int open_lanes(struct __sk_buff *skb, struct size *s)
{
	struct settings *cfg = get_config();
	struct tunnelled *head;
	struct lanes *w;
	__u8 tos;

	// A mark may be what the host's rules choose the route by. What stands for several frames the kernel takes apart.
	if (!cfg || !s || !(cfg->flags & CONFIG_DIRECT_ENCAP) || !cfg->vxlan_ifindex || !cfg->tunnel_ip || skb->mark || s->tagged ||
	    skb->gso_size || skb->len > 0xffff - OUTER_HEADERS)
		return 0;
	tos = tunnel_priority(s);
	if (is_ip(skb->protocol))
		tos |= outer_ecn(skb);
	w = get_lanes();
	if (!w || w->busy) // of a frame that this one has interrupted
		return 0;
	w->busy = 1;
	w->n = 0;
	w->now = bpf_ktime_get_coarse_ns();
	head = (void *)w->head;
	__builtin_memset(head, 0, sizeof(*head));
	head->eth.h_proto = bpf_htons(ETH_P_IP);
	fill_headers(&head->e, skb->len + OUTER_HEADERS, cfg->tunnel_ip, tos, bpf_get_hash_recalc(skb));
	if (bpf_skb_load_bytes(skb, 0, &head->e.inner, ETH_HLEN)) {
		w->busy = 0;
		return 0;
	}
	return 1;
}

// 1 if the target gets its copy by a lane.
static __always_inline int take_lane(struct __sk_buff *skb, struct target *t, struct size *s)
{
	struct lanes *w = get_lanes();
	__u32 peer = t->peer, n;
	struct path *h = bpf_map_lookup_elem(&paths, &peer);
	struct peer *p = bpf_map_lookup_elem(&peers, &peer);
	struct lane *l;
	__u64 hop, own;

	if (!w || !h || !p)
		return 0;
	n = w->n;
	if (n >= LANES_MAX)
		return 0;
	// The agent takes back what it has said of the hop before it names another one.
	l = &w->lane[n];
	l->ifindex = p->ifindex;
	l->ip = p->ip.word[3];
	l->vni = bpf_htonl(t->id << 8);
	if (!l->ifindex || !is_address4(&p->ip) || !fits_tunnel(p, s))
		return 0;
	barrier();
	if (h->state != PATH_USED || (__u32)(w->now >> PATH_UNTIL_SHIFT) >= *(volatile __u32 *)&h->until)
		return 0;
	hop = *(volatile __u64 *)&h->hop;
	own = *(volatile __u64 *)&h->own;
	__builtin_memcpy(l->hop, &hop, ETH_ALEN);
	__builtin_memcpy(l->own, &own, ETH_ALEN);
	w->n = n + 1;
	count_to_peer(peer, s);
	capture(skb, CAPTURE_OUT_TUNNEL, t->peer, t->id);
	return 1;
}

struct sending {
	struct __sk_buff *skb;
	struct lanes *w;
	__u64 summed; // BPF_F_RECOMPUTE_CSUM, if what a NIC has summed up begins behind the Ethernet header
	__u32 failed; // the frame has not got the headers of the last lane
};

static long drop_lane(__u32 i, void *ctx)
{
	struct sending *x = ctx;

	drop(x->skb, DROP_FAILED);
	return 0;
}

// Writes the headers of a lane, and sends a copy. The last one is left for the frame itself.
static long send_lane(__u32 i, void *ctx)
{
	struct sending *x = ctx;
	struct lanes *w = x->w;
	struct tunnelled *head = (void *)w->head;
	struct lane *l;
	long err = 0;

	if (i >= LANES_MAX)
		return 1;
	l = &w->lane[i];
	if (!same_mac(head->eth.h_dest, l->hop) || !same_mac(head->eth.h_source, l->own)) { // many have one router
		__builtin_memcpy(head->eth.h_dest, l->hop, ETH_ALEN);
		__builtin_memcpy(head->eth.h_source, l->own, ETH_ALEN);
		err = bpf_skb_store_bytes(x->skb, 0, &head->eth, sizeof(head->eth), 0);
	}
	head->e.vni = l->vni;
	head->e.ip.daddr = l->ip;
	head->e.ip.check = 0;
	head->e.ip.check = ip_checksum(&head->e);
	if (err || bpf_skb_store_bytes(x->skb, ETH_HLEN, &head->e, OUTER_HEADERS, x->summed)) {
		__builtin_memset(&head->eth, 0, 2 * ETH_ALEN); // the next one has its own written
		drop(x->skb, DROP_FAILED);
		x->failed = i + 1 == w->n;
		return 0;
	}
	if (i + 1 < w->n && bpf_clone_redirect(x->skb, l->ifindex, 0))
		drop(x->skb, DROP_FAILED);
	return 0;
}

// Whether some target gets its copy by a lane.
static __always_inline int has_lanes(void)
{
	struct lanes *w = get_lanes();

	return w && w->n;
}

// Sends the frame to all that have lanes: the last gets the frame itself.
static __always_inline int send_lanes(struct __sk_buff *skb, struct lanes *w)
{
	struct sending x = {.skb = skb, .w = w};
	__u32 n = w->n, last = n - 1;
	long err;

	if (last >= LANES_MAX)
		return LONG_WAY;
	if (is_ip(skb->protocol)) {
		x.summed = BPF_F_RECOMPUTE_CSUM;
		err = bpf_skb_adjust_room(skb, sizeof(struct encapsulation), BPF_ADJ_ROOM_MAC, ROOM_FLAGS);
		if (!err)
			err = bpf_skb_store_bytes(skb, ETH_HLEN + OUTER_HEADERS, w->head + ETH_HLEN + OUTER_HEADERS, ETH_HLEN, x.summed);
	} else {
		// The kernel takes it for what it was: if it has a checksum to fill in, it does not ask a device for that. All that
		// is before the inner packet is for it an Ethernet header, of which the end is there already.
		err = bpf_skb_change_head(skb, sizeof(struct encapsulation), 0);
	}
	if (err) {
		bpf_loop(n, drop_lane, &x, 0);
		return TC_ACT_SHOT;
	}
	bpf_loop(n, send_lane, &x, 0);
	return x.failed ? TC_ACT_SHOT : bpf_redirect(w->lane[last].ifindex, 0);
}

// The same, if there are some, or LONG_WAY. Now another frame may have lanes.
__noinline int close_lanes(struct __sk_buff *skb)
{
	struct lanes *w = get_lanes();
	int result;

	if (!w)
		return drop(skb, DROP_FAILED);
	result = send_lanes(skb, w);
	w->busy = 0;
	return result;
}
