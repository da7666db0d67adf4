// SPDX-License-Identifier: Apache-2.0
// First stage of frames from the vxlan device: admission by peer and VNI, then members only.
#pragma once

#include "bfd.h"
#include "flood.h"
#include "home.h"
#include "learn.h"

// The switch that frames with this outer source and VNI enter, or 0.
static __always_inline __u32 admitted(struct settings *cfg, struct address *from, __u32 vni)
{
	struct tunnel_key key = {.vni = vni};
	__u32 *bd = NULL, *peer = bpf_map_lookup_elem(&addresses, from);

	if (peer) {
		key.peer = *peer;
		bd = bpf_map_lookup_elem(&decaps, &key);
	}
	if (!bd && (cfg->flags & CONFIG_ANY_SOURCE)) {
		key.peer = 0;
		bd = bpf_map_lookup_elem(&decaps, &key);
	}
	return bd ? *bd : 0;
}

// Whether frames of the switch may have a tag in tunnels: all of its members say the same.
static __noinline int inner_tags(__u32 bd)
{
	struct mac_key key = {.bd = bd, .kind = FLOOD_MEMBERS};
	struct flood_set *l = bpf_map_lookup_elem(&floods, &key);
	struct chunk_key first = {};
	struct member *m;
	struct chunk *c;
	__u32 slot;

	if (!l)
		return 0;
	first.list = l->list;
	c = bpf_map_lookup_elem(&chunks, &first);
	if (!c)
		return 0;
	slot = c->targets[0].id;
	m = bpf_map_lookup_elem(&members, &slot);
	return m && m->bd == bd && m->flags & MEMBER_INNER_TAGS;
}

static __always_inline int deliver(struct __sk_buff *skb, __u32 bd, __u32 tos)
{
	struct ethhdr *eth = ethernet(skb);
	struct mac_key dst = {.bd = bd};
	struct member *m = NULL;
	struct size size;
	struct local *l;

	if (!eth)
		return drop(skb, DROP_MALFORMED);
	__builtin_memcpy(dst.mac, eth->h_dest, ETH_ALEN);
	if ((skb->vlan_present || is_tag(eth->h_proto)) && !inner_tags(bd))
		return drop(skb, DROP_TAGGED_INSIDE);
	if (is_nobody(eth->h_source))
		return drop(skb, DROP_BAD_SOURCE);
	if (is_reserved(dst.mac))
		return drop(skb, DROP_RESERVED);
	measure(skb, &size);
	size.leaves = priorities(skb, tos);

	if (!is_group(dst.mac)) {
		// A MAC that lives behind another VTEP: this one must not be asked.
		if (bpf_map_lookup_elem(&remotes, &dst))
			return drop(skb, DROP_SPLIT_HORIZON);
		l = find_local(&dst, &m);
		if (l)
			return redirect_member(skb, m, l->slot, &size);
	}
	return flood(skb, &dst, 0, &size);
}

// Says where the frame came from, as the vxlan device has noted it. 0: it is not for the tunnel IP.
static __always_inline int came_from(struct __sk_buff *skb, struct settings *cfg, struct address *from, __u32 *vni,
				     __u32 *tos)
{
	struct bpf_tunnel_key key;

	if (!bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0)) {
		*from = address4(bpf_htonl(key.remote_ipv4));
		*vni = key.tunnel_id;
		*tos = key.tunnel_tos;
		came_by_tunnel(skb, from, *vni);
		return cfg->tunnel_ip && key.local_ipv4 == cfg->tunnel_ip;
	}
	if (!bpf_skb_get_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6)) {
		__builtin_memcpy(from, key.remote_ipv6, sizeof(*from));
		*vni = key.tunnel_id;
		*tos = key.tunnel_tos;
		came_by_tunnel(skb, from, *vni);
		return !is_no_address(&cfg->tunnel_ip6) &&
		       same_address((struct address *)key.local_ipv6, &cfg->tunnel_ip6);
	}
	return 0;
}

static __always_inline int from_overlay(struct __sk_buff *skb)
{
	struct settings *cfg = get_config();
	struct address from;
	__u32 bd, vni, ip4, tos;
	int taken;

	if (is_elsewhere(skb))
		return TC_ACT_UNSPEC;
	skb->cb[0] = BY_NOTHING;
	if (!cfg || !came_from(skb, cfg, &from, &vni, &tos))
		return drop(skb, DROP_NOT_OURS);
	bd = admitted(cfg, &from, vni);
	ip4 = is_address4(&from) ? bpf_ntohl(from.word[3]) : 0;
	taken = take_bfd(skb, ip4, vni, bd);
	if (taken != NOT_BFD)
		return taken;
	if (!bd)
		return drop(skb, DROP_UNKNOWN_TUNNEL);
	note_data(cfg, ip4);
	return deliver(skb, bd, tos);
}
