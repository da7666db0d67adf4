// SPDX-License-Identifier: Apache-2.0
// First stage of frames from a device of the underlay, where the host's own traffic comes
// in, too: known unicast out of known tunnels is delivered at once, everything else passes.
#pragma once

#include "direct.h"
#include "overlay.h"
#include "stage.h"

// Where the UDP header is of what comes to a tunnel IP, fragments and IPv6 with extension headers
// aside; 0: there is none.
static __always_inline __u32 find_udp(struct __sk_buff *skb, struct settings *cfg)
{
	struct ipv6hdr ip6;
	struct address to;
	struct iphdr ip;

	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip6, sizeof(ip6)) || ip6.nexthdr != IPPROTO_UDP)
			return 0;
		__builtin_memcpy(&to, &ip6.daddr, sizeof(to));
		if (!is_end6(cfg, &to))
			return 0;
		return ETH_HLEN + sizeof(ip6);
	}
	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) ||
	    ip.protocol != IPPROTO_UDP || ip.frag_off & FRAGMENT_ANY || !is_end4(cfg, ip.daddr))
		return 0;
	return ETH_HLEN + ip.ihl * 4;
}

// Clears the reserved bits of the VXLAN header, but for a group policy where there are some, of what comes to a tunnel IP. The UDP checksum goes,
// too: it need not be there (RFC 7348, 4.1), for IPv6 because the device is told so.
__noinline int clear_reserved(struct __sk_buff *skb)
{
	struct settings *cfg = get_config();
	struct {
		struct udphdr udp;
		__be32 flags, vni;
	} h;
	__be32 clean[2];
	__u32 off;

	if (!cfg)
		return 0;
	off = find_udp(skb, cfg);
	if (!off || bpf_skb_load_bytes(skb, off, &h, sizeof(h)) || h.udp.dest != bpf_htons(vxlan_port))
		return 0;
	clean[0] = bpf_htonl(VXLAN_HAS_VNI);
	if (cfg->flags & CONFIG_GBP && h.flags & bpf_htonl(GBP_G))
		clean[0] |= h.flags & bpf_htonl(GBP_BITS);
	clean[1] = h.vni & bpf_htonl(0xffffff00);
	if (!(h.flags & bpf_htonl(VXLAN_HAS_VNI)) || (h.flags == clean[0] && h.vni == clean[1]) || is_elsewhere(skb))
		return 0;
	if (h.udp.check) {
		h.udp.check = 0;
		if (bpf_skb_store_bytes(skb, off + offsetof(struct udphdr, check), &h.udp.check, sizeof(h.udp.check),
					BPF_F_RECOMPUTE_CSUM))
			return 0;
	}
	bpf_skb_store_bytes(skb, off + sizeof(h.udp), clean, sizeof(clean), BPF_F_RECOMPUTE_CSUM);
	return 0;
}

static __always_inline int from_underlay(struct __sk_buff *skb)
{
	struct settings *cfg = get_config();
	struct mac_key dst = {};
	struct address from;
	struct member *m = NULL;
	struct ethhdr *eth, inner;
	struct decap *to;
	struct remote *r;
	struct size size;
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	__u32 slot, peer, vni, tos;

	if (!cfg || !cfg->vxlan_ifindex)
		return TC_ACT_UNSPEC;
	if (cfg->flags & CONFIG_STRICT)
		clear_reserved(skb);
	if (!(cfg->flags & CONFIG_DIRECT_DECAP))
		return TC_ACT_UNSPEC;
	eth = plain_vxlan(skb, cfg, &from, &vni, &tos);
	if (!eth || is_group(eth->h_dest) || is_nobody(eth->h_source))
		return TC_ACT_UNSPEC;
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		flags |= ADJ_ROOM_DECAP_L3_IPV6;
	else if (eth->h_proto != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	inner = *eth;
	__builtin_memcpy(dst.mac, inner.h_dest, ETH_ALEN);
	peer = peer_at(&from);
	to = admitted(cfg, peer, vni);
	if (!to || to->features & FEATURES_LONG_WAY)
		return TC_ACT_UNSPEC;
	dst.bd = to->bd;
	r = bpf_map_lookup_elem(&remotes, &dst);
	if (r && r->peer != ATTACHED_PEER)
		return TC_ACT_UNSPEC;
	slot = find_slot(&dst, r, &m);
	if (!m || is_elsewhere(skb))
		return TC_ACT_UNSPEC;
	size.packets = 1;
	size.tagged = 0;
	size.features = to->features;
	size.bytes = size.largest = skb->len - sizeof(struct encapsulation);
	if (fits_member(m, &size) != FITS)
		return TC_ACT_UNSPEC;

	if (bpf_skb_adjust_room(skb, -(int)sizeof(struct encapsulation), BPF_ADJ_ROOM_MAC, flags))
		return TC_ACT_UNSPEC;
	note_data(cfg, peer);
	count_from_peer(peer, &size);
	// Not before: frames that pass are the host's, and so is their control block.
	came_by_tunnel(skb, &from, vni);
	// A checksum that a NIC gave the frame does not cover the Ethernet header.
	if (bpf_skb_store_bytes(skb, 0, &inner, sizeof(inner), 0))
		return drop(skb, DROP_FAILED);
	capture(skb, CAPTURE_IN, dst.bd, 0);
	size.leaves = priorities(skb, tos);
	return redirect_member(skb, m, slot, &size);
}
