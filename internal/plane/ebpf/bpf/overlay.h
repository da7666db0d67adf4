// SPDX-License-Identifier: Apache-2.0
// First stage of frames from the vxlan device: admission by peer and VNI, then members only.
#pragma once

#include "bfd.h"
#include "flood.h"
#include "home.h"
#include "learn.h"

// The switch that frames with this outer source and VNI enter, or 0.
static __always_inline __u32 admitted(struct settings *cfg, __u32 ip, __u32 vni)
{
	struct tunnel_key key = {.ip = ip, .vni = vni};
	__u32 *bd = bpf_map_lookup_elem(&decaps, &key);

	if (!bd && (cfg->flags & CONFIG_ANY_SOURCE)) {
		key.ip = 0;
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

static __always_inline int deliver(struct __sk_buff *skb, __u32 bd)
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

static __always_inline int from_overlay(struct __sk_buff *skb)
{
	struct settings *cfg = get_config();
	struct bpf_tunnel_key key;
	__u32 bd;
	int taken;

	if (is_elsewhere(skb))
		return TC_ACT_UNSPEC;
	came_by(skb, BY_NOTHING, 0, 0);
	if (!cfg || bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0))
		return drop(skb, DROP_NOT_OURS);
	came_by(skb, BY_TUNNEL, key.remote_ipv4, key.tunnel_id);
	if (!cfg->tunnel_ip || key.local_ipv4 != cfg->tunnel_ip)
		return drop(skb, DROP_NOT_OURS);
	bd = admitted(cfg, key.remote_ipv4, key.tunnel_id);
	taken = take_bfd(skb, key.remote_ipv4, key.tunnel_id, bd);
	if (taken != NOT_BFD)
		return taken;
	if (!bd)
		return drop(skb, DROP_UNKNOWN_TUNNEL);
	note_data(cfg, key.remote_ipv4);
	return deliver(skb, bd);
}
