// SPDX-License-Identifier: Apache-2.0
// Routing: the stage of frames to the router of their switch. The packet goes a hop further, and then
// as all frames do in the switch that the route leads to:
//
//   for the router itself --> echo
//   routes4, routes6 --> the next hop --> neighbors --> remotes | locals | floods
#pragma once

#include "direct.h"
#include "echo.h"
#include "flood.h"
#include "gateway.h"
#include "hop.h"
#include "packet.h"
#include "refuse.h"

// As slot: a router has sent the frame, and everybody in the switch may get it.
#define FROM_ROUTER 0xffffffff

// ---- access control lists --------------------------------------------------------------

// 0, or why a packet may not come to the router, or leave it, by the interface there that its source,
// or its next hop, is next to; the hop is NULL while it comes.
__noinline int interface_denies(struct __sk_buff *skb, struct hop *leaves, struct size *s)
{
	struct interface_key key = {.length = 32 + 128};
	struct passage *p = get_passage();
	__u32 *number;

	if (!p || !s)
		return 0;
	if (leaves) {
		key.bd = leaves->next.bd;
		key.ip = leaves->ip;
	} else {
		key.bd = p->bd;
		if (skb->protocol == bpf_htons(ETH_P_IP)) {
			key.ip = address4(0);
			if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, saddr), &key.ip.word[3], 4))
				return 0; // it is no packet
		} else if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, saddr), &key.ip, sizeof(key.ip))) {
			return 0;
		}
	}
	number = bpf_map_lookup_elem(&interfaces, &key);
	return number ? acl_refuses(skb, *number, leaves != NULL, s) : 0;
}

// ---- the next hop ----------------------------------------------------------------------

// Writes the headers of a frame a hop further. 0 if that fails.
static __always_inline int next_hop(struct __sk_buff *skb, const __u8 *dst, const __u8 *src)
{
	void *data = (void *)(long)skb->data;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + ETH_HLEN;
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	__u32 sum;

	if (data + ETH_HLEN + sizeof(*ip) > (void *)(long)skb->data_end)
		return 0; // it was there a moment ago
	__builtin_memcpy(eth->h_dest, dst, ETH_ALEN);
	__builtin_memcpy(eth->h_source, src, ETH_ALEN);
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		// The sum of the header stays as it is (RFC 1624), and so does that which a NIC gave
		// the frame.
		ip->ttl--;
		sum = ip->check + bpf_htons(0x0100);
		ip->check = sum + (sum >= 0xffff);
		return 1;
	}
	if ((void *)(ip6 + 1) > (void *)(long)skb->data_end)
		return 0;
	// Here a sum that a NIC gave changes: by a word of which the hop limit is the end.
	ip6->hop_limit--;
	bpf_csum_update(skb, bpf_htons(0xfffe)); // minus one
	return 1;
}

// Hands the packet to the station of its next hop.
static __always_inline int hand_on(struct __sk_buff *skb, struct passage *p, struct hop *h)
{
	struct settings *cfg = get_config();
	struct remote at = {.peer = h->peer, .vni = h->vni};
	struct target t = {.peer = at.peer == ATTACHED_PEER ? 0 : at.peer, .id = at.vni};
	struct size *size = &p->size;
	struct member *m = NULL;
	struct peer *to = NULL;
	__u32 slot = 0;
	int result;

	capture(skb, CAPTURE_ENTER, h->next.bd, 0);
	if (!cfg)
		return drop(skb, DROP_FAILED);
	if (t.peer) {
		to = bpf_map_lookup_elem(&peers, &t.peer);
		if (to && !fits_tunnel(to, size)) {
			use_path(t.peer);
			return refuse(skb, DROP_TOO_BIG, TELL_TOO_BIG, to->mtu - outer_headers(to) - ETH_HLEN);
		}
	} else {
		slot = find_slot(&h->next, at.peer ? &at : NULL, &m);
		if (m && fits_member(m, size) == DROP_TOO_BIG)
			return refuse(skb, DROP_TOO_BIG, TELL_TOO_BIG, m->mtu);
	}
	if (!next_hop(skb, h->next.mac, p->mac))
		return drop(skb, DROP_FAILED);
	if (cfg->flags & CONFIG_INTERFACES) {
		result = interface_denies(skb, h, size);
		if (result)
			return drop(skb, result);
	}
	if (t.peer) {
		if (!cfg->vxlan_ifindex)
			return redirect_tunnel(skb, &t, size); // it knows why not
		use_path(t.peer);
		return to_fitting(skb, cfg, &t, to, size);
	}
	if (slot && m)
		return redirect_member(skb, m, slot, size);
	// Or flood would have a part that no frame reaches.
	result = flood(skb, &h->next, FROM_ROUTER ^ cfg->zero, size);
	return result >= FLOOD_TOO_BIG ? drop(skb, DROP_TOO_BIG) : result;
}

// Hands a packet whose next hop nobody is known to have to the agent, which asks, and sends it later or counts it
// as dropped. One that is too large for that is only shown.
__noinline int ask_for(struct __sk_buff *skb, struct ip_key *hop)
{
	struct punt_head about = {.reason = PUNT_NO_NEIGHBOR};
	struct passage *p = get_passage();

	if (!p || !hop)
		return drop(skb, DROP_FAILED);
	came_where(p, &about);
	about.vni = hop->bd;
	about.ip = hop->ip;
	if (punt(skb, &about, PUNT_LARGE) && skb->len <= PUNT_LARGE) {
		capture(skb, CAPTURE_HELD, 0, 0);
		return TC_ACT_SHOT;
	}
	return drop(skb, DROP_NO_NEIGHBOR);
}

// ---- the way ---------------------------------------------------------------------------

// The longest prefix that the router has for an address, or NULL. Not inlined, for the stack that the rest needs.
static __noinline struct way *find_way(struct __sk_buff *skb, __u32 router, struct address *dst)
{
	struct route_key6 key = {.length = 32 + 128, .router = router};
	struct route_key4 key4 = {.length = 32 + 32, .router = router};

	if (!dst)
		return NULL;
	key.ip = *dst;
	key4.ip = dst->word[3];
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return bpf_map_lookup_elem(&routes4, &key4);
	return bpf_map_lookup_elem(&routes6, &key);
}

// Finds the next hop of a packet, which is not for the router itself.
static __always_inline int find_hop(struct __sk_buff *skb, struct way *w, __u32 router, struct packet *k, __u64 now,
				    struct hop *h, __u64 found)
{
	struct ip_key key = {};
	struct neighbor *n;
	struct remote *r;

	if (!w)
		return refuse(skb, DROP_NO_ROUTE, TELL_NO_ROUTE, 0);
	if (w->kind == WAY_EDGE)
		return drop(skb, DROP_UNROUTABLE);
	if (k->ttl <= 1)
		return refuse(skb, DROP_TTL_EXCEEDED, TELL_EXPIRED, 0);
	key.bd = w->bd;
	key.ip = w->kind == WAY_VIA ? w->via : k->dst;
	n = bpf_map_lookup_elem(&neighbors, &key);
	if (!n)
		return ask_for(skb, &key);
	if (n->kind == NEIGHBOR_ROUTER)
		return drop(skb, DROP_NO_NEIGHBOR);
	if (now - n->used > SECOND)
		n->used = now;
	h->used = n->used;
	h->next.bd = key.bd;
	h->next.kind = 0;
	__builtin_memcpy(h->next.mac, n->mac, ETH_ALEN);
	h->peer = h->vni = 0;
	r = bpf_map_lookup_elem(&remotes, &h->next);
	if (r && r->peer == ROUTER_PEER)
		return drop(skb, DROP_UNROUTABLE);
	if (r) {
		h->peer = r->peer;
		h->vni = r->vni;
	}
	h->router = router;
	h->dst = k->dst;
	h->ip = key.ip;
	h->generation = found;
	return GO_ON;
}

// Sends a packet on.
static __always_inline int go(struct __sk_buff *skb, struct passage *p, __u32 router, struct packet *k)
{
	__u32 place = place_of(router, &k->dst);
	struct hop *h = bpf_map_lookup_elem(&hops, &place);
	__u64 now = coarse_now(p), found;
	struct way *w;
	int result;

	if (!h)
		return drop(skb, DROP_FAILED);
	if (is_current(h, router, &k->dst, now)) {
		if (k->from_link)
			return drop(skb, DROP_UNROUTABLE);
		if (k->ttl <= 1)
			return refuse(skb, DROP_TTL_EXCEEDED, TELL_EXPIRED, 0);
	} else {
		found = begin_hop(h);
		w = find_way(skb, router, &k->dst);
		if (w && w->kind == WAY_SELF)
			return skb->protocol == bpf_htons(ETH_P_IP) ? echo_back4(skb) : k->fragment ? echo_fragment6(skb) : echo_back6(skb);
		if (k->from_link)
			return drop(skb, DROP_UNROUTABLE);
		result = find_hop(skb, w, router, k, now, h, found);
		if (result != GO_ON)
			return result;
	}
	return hand_on(skb, p, h);
}

// ---- the stage -------------------------------------------------------------------------

// The router of the frame's switch, whose MAC the passage has then; 0: there is none.
static __always_inline __u32 router_of(struct __sk_buff *skb, struct passage *p)
{
	struct ethhdr *eth = ethernet(skb);
	struct gateway *g;

	if (p->router && eth) { // it was sent to that MAC, and whoever found it there knows of whom that is
		__builtin_memcpy(p->mac, eth->h_dest, ETH_ALEN);
		return p->router;
	}
	g = gateway_of(p->bd);
	if (!g)
		return 0;
	__builtin_memcpy(p->mac, g->mac, ETH_ALEN);
	return g->router;
}

// Whether it is worth a closer look.
static __always_inline int may_be_neighbor(struct __sk_buff *skb)
{
	struct ipv6hdr *ip = (void *)(long)skb->data + ETH_HLEN;

	return skb->protocol != bpf_htons(ETH_P_IPV6) || (void *)(ip + 1) > (void *)(long)skb->data_end || ip->nexthdr == IPPROTO_ICMPV6;
}

static __always_inline int route(struct __sk_buff *skb)
{
	struct settings *cfg = get_config();
	struct passage *p = get_passage();
	struct packet k = {};
	__u32 router;
	int result;

	if (!p || !cfg)
		return drop(skb, DROP_FAILED);
	router = router_of(skb, p);
	if (!router) { // it has just gone, or the VTEP itself is answered, which has learned what it asked for
		if (p->slot && !p->size.tagged && is_neighbor_message(skb))
			return TC_ACT_SHOT;
		return drop(skb, DROP_NO_DESTINATION);
	}
	if (p->size.tagged)
		return drop(skb, DROP_UNROUTABLE);
	if (skb->protocol != bpf_htons(ETH_P_IP) && may_be_neighbor(skb) && is_neighbor_message(skb)) {
		result = take_for_gateway(skb);
		return result == NOT_TAKEN ? drop(skb, DROP_UNSERVED) : result;
	}
	if (!is_ip(skb->protocol))
		return drop(skb, DROP_UNROUTABLE);
	if (cfg->flags & CONFIG_INTERFACES) {
		result = interface_denies(skb, NULL, &p->size);
		if (result)
			return drop(skb, result);
	}
	if (skb->protocol == bpf_htons(ETH_P_IP))
		result = read4(skb, &k);
	else
		result = read6(skb, &k);
	return result == GO_ON ? go(skb, p, router, &k) : result;
}
