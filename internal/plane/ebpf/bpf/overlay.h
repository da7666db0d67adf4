// SPDX-License-Identifier: Apache-2.0
// First stage of frames from the vxlan device: admission by peer and VNI, then members only.
#pragma once

#include "bfd.h"
#include "flood.h"
#include "home.h"
#include "learn.h"
#include "overhear.h"

// The peer with the address, or 0.
static __always_inline __u32 peer_at(struct address *ip)
{
	__u32 place = (ip->word[0] ^ ip->word[1] ^ ip->word[2] ^ ip->word[3]) * 0x9e3779b1 >> (32 - SOURCE_BITS);
	__u32 *recent = bpf_map_lookup_elem(&sources, &place), *peer;
	__u32 had = recent ? *recent : 0; // read once: a program that comes between may write there
	struct peer *p;

	if (had) {
		p = bpf_map_lookup_elem(&peers, &had);
		if (p && same_address(&p->ip, ip))
			return had;
	}
	peer = bpf_map_lookup_elem(&addresses, ip);
	if (!peer)
		return 0;
	if (recent)
		*recent = *peer;
	return *peer;
}

// The entry that holds for the peer (0: for any source) and the VNI, or NULL. The agent writes those that are for a peer
// alone before it takes the peer out of the others, and deletes them after it has put it in: one of both is there always.
static __always_inline struct decap *decap_of(__u32 peer, __u32 vni)
{
	struct decap_key key = {.vni = vni, .part = peer >> DECAP_SHIFT};
	struct decap *to = bpf_map_lookup_elem(&decaps, &key);

	if (to && to->peers[peer / 64 % (DECAP_PEERS / 64)] >> (peer % 64) & 1)
		return to;
	key.part = DECAP_ALONE | peer;
	return bpf_map_lookup_elem(&decaps, &key);
}

// The switch that frames from this peer and with this VNI enter, or NULL.
static __always_inline struct decap *admitted(struct settings *cfg, __u32 peer, __u32 vni)
{
	struct decap *to = NULL;

	if (peer)
		to = decap_of(peer, vni);
	if (!to && (cfg->flags & CONFIG_ANY_SOURCE))
		to = decap_of(0, vni);
	return to;
}

static __always_inline int deliver(struct __sk_buff *skb, __u32 peer, __u32 bd, __u32 features, __u32 tos)
{
	struct ethhdr *eth = ethernet(skb);
	struct mac_key dst = {.bd = bd};
	struct member *m = NULL;
	struct remote *r;
	struct size size;
	__u32 slot;

	if (!eth)
		return drop(skb, DROP_MALFORMED);
	__builtin_memcpy(dst.mac, eth->h_dest, ETH_ALEN);
	if ((skb->vlan_present || is_tag(eth->h_proto)) && !(features & FEATURE_INNER_TAGS))
		return drop(skb, DROP_TAGGED_INSIDE);
	if (is_nobody(eth->h_source))
		return drop(skb, DROP_BAD_SOURCE);
	if (stays_on_link(dst.mac, features))
		return drop(skb, DROP_RESERVED);
	measure(skb, features, &size);
	count_from_peer(peer, &size);
	size.leaves = priorities(skb, tos);

	if (!is_group(dst.mac)) {
		// A MAC that lives behind another VTEP: this one must not be asked.
		r = bpf_map_lookup_elem(&remotes, &dst);
		if (r && r->peer == ROUTER_PEER)
			return to_router(skb, 0, bd, r, &size);
		if (r && r->peer != ATTACHED_PEER)
			return drop(skb, DROP_SPLIT_HORIZON);
		slot = find_slot(&dst, r, &m);
		if (m)
			return redirect_member(skb, m, slot, &size);
	}
	size.features |= FRAME_OF_TUNNEL;
	if (size.features & FEATURE_GROUPS && is_group(dst.mac))
		overhear(skb, &size, bd, 0, 0);
	return flood(skb, &dst, 0, &size);
}

// Where a frame came from, and what was around it.
struct arrival {
	struct address from;
	__u32 vni;
	__u32 tos;
};

// Says so, as the vxlan device has noted it. 0: the frame is not for us. Not inlined, for
// the stack that the rest needs.
__noinline int came_from(struct __sk_buff *skb, struct arrival *a)
{
	struct settings *cfg = get_config();
	struct bpf_tunnel_key key;
	struct address to;

	if (!cfg || !a)
		return 0;
	if (!bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0)) {
		a->from = address4(bpf_htonl(key.remote_ipv4));
		a->vni = key.tunnel_id;
		a->tos = key.tunnel_tos;
		came_by_tunnel(skb, &a->from, a->vni);
		return is_end4(cfg, bpf_htonl(key.local_ipv4));
	}
	if (!bpf_skb_get_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6)) {
		__builtin_memcpy(&a->from, key.remote_ipv6, sizeof(a->from));
		a->vni = key.tunnel_id;
		a->tos = key.tunnel_tos;
		came_by_tunnel(skb, &a->from, a->vni);
		__builtin_memcpy(&to, key.local_ipv6, sizeof(to));
		return is_end6(cfg, &to);
	}
	return 0;
}

static __always_inline int from_overlay(struct __sk_buff *skb)
{
	struct settings *cfg = get_config();
	__u32 peer, bd = 0, features = 0;
	struct arrival a = {};
	struct decap *to;
	int taken;

	if (is_elsewhere(skb))
		return TC_ACT_UNSPEC;
	skb->cb[0] = BY_NOTHING;
	if (!cfg || !came_from(skb, &a)) {
		capture(skb, CAPTURE_IN, 0, 0);
		return drop(skb, DROP_NOT_OURS);
	}
	peer = peer_at(&a.from);
	to = admitted(cfg, peer, a.vni);
	if (to) {
		bd = to->bd;
		features = to->features;
	}
	capture(skb, CAPTURE_IN, bd, 0);
	taken = take_bfd(skb, peer, a.vni, bd);
	if (taken != NOT_BFD)
		return taken;
	if (!bd)
		return drop(skb, DROP_UNKNOWN_TUNNEL);
	note_data(cfg, peer);
	receive_group(skb, cfg);
	return deliver(skb, peer, bd, features, a.tos);
}
