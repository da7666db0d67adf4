// SPDX-License-Identifier: Apache-2.0
// The short ways: the program itself adds or takes off the outer headers, without the vxlan
// device. Only for the frames that are many and simple, IP unicast; for every other one the
// answer is LONG_WAY and the vxlan device does the same, more slowly.
#pragma once

#include <linux/in.h>
#include <linux/udp.h>

#include "learn.h"
#include "output.h"
#include "toobig.h"

#define LONG_WAY (-2)
#define AF_INET 2
#define ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8) // Linux 6.3; not in older headers

// What is between the outer Ethernet header and the inner packet.
struct encapsulation {
	struct iphdr ip;
	struct udphdr udp;
	__be32 flags;
	__be32 vni; // in the upper 24 bits
	struct ethhdr inner;
} __attribute__((packed, aligned(2)));

// All that is before the inner packet.
struct tunnelled {
	struct ethhdr eth;
	struct encapsulation e;
} __attribute__((packed, aligned(2)));

#define VXLAN_HAS_VNI 0x08000000
#define ECN_MASK 3
#define ECN_ECT_1 1
#define ECN_ECT_0 2
#define ECN_CE 3

// The congestion bits of a packet, by its second byte: IPv4 has them at the end of it, IPv6 in the
// middle.
static __always_inline __u8 ecn_of(__be16 proto, __u8 second)
{
	return (proto == bpf_htons(ETH_P_IP) ? second : second >> 4) & ECN_MASK;
}

// The outer congestion bits for those of an inner packet, as the kernel's tunnels have it.
static __always_inline __u8 ecn_outside(__u8 ecn)
{
	return ecn == ECN_CE ? ECN_ECT_0 : ecn;
}

// The same for the packet in the frame.
static __always_inline __u8 outer_ecn(struct __sk_buff *skb)
{
	__u8 b[2] = {};

	if (bpf_skb_load_bytes(skb, ETH_HLEN, b, sizeof(b)))
		return 0;
	return ecn_outside(ecn_of(skb->protocol, b[1]));
}

// Whether what the underlay says of congestion may have to be told to the inner packet (RFC 6040, 4.2).
static __always_inline int tells_congestion(__u8 outer, __u8 inner)
{
	return outer == ECN_CE || (outer == ECN_ECT_1 && inner == ECN_ECT_0);
}

// Whether the programs can make the outer headers of packets to a peer themselves.
static __always_inline int has_short_way(struct peer *p)
{
	return p->ifindex && is_address4(&p->ip) && is_address4(&p->hop);
}

// Fills in what does not depend on the peer: of a packet of IPv4 of that length, and of a flow that has the hash.
static __always_inline void fill_headers(struct encapsulation *e, __u32 length, __u32 source, __u8 tos, __u32 hash)
{
	e->flags = bpf_htonl(VXLAN_HAS_VNI);
	e->udp.source = bpf_htons(0xc000 | ((hash ^ hash >> 16) & 0x3fff));
	e->udp.dest = bpf_htons(vxlan_port);
	e->udp.len = bpf_htons(length - sizeof(e->ip));
	e->ip.version = 4;
	e->ip.ihl = 5;
	e->ip.tos = tos;
	e->ip.tot_len = bpf_htons(length);
	e->ip.frag_off = bpf_htons(0x4000); // don't fragment
	e->ip.ttl = 64;
	e->ip.protocol = IPPROTO_UDP;
	e->ip.saddr = bpf_htonl(source);
}

// The inner Ethernet header is told to the kernel as a tunnel's second layer, so that segmentation offload and
// checksums find the inner packet.
#define ROOM_FLAGS (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | \
		    BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_ENCAP_L2(sizeof(struct ethhdr)))

// Sends the frame to the tunnel, of which p is the peer, or LONG_WAY, with the frame as it was. dscp is the
// upper bits of a TOS.
__noinline int encapsulate(struct __sk_buff *skb, struct target *t, struct peer *p, __u32 source, __u8 dscp)
{
	struct encapsulation e = {};
	struct bpf_redir_neigh hop = {.nh_family = AF_INET};
	struct ethhdr *eth = ethernet(skb);
	__u32 ifindex, length;

	if (!t || !p || !eth || !source || !has_short_way(p) || !is_ip(skb->protocol))
		return LONG_WAY;
	length = skb->len + OUTER_HEADERS;
	if (length > 0xffff)
		return LONG_WAY;
	ifindex = p->ifindex;
	hop.ipv4_nh = p->hop.word[3];

	e.inner = *eth;
	e.vni = bpf_htonl(t->id << 8);
	fill_headers(&e, length, source, dscp | outer_ecn(skb), bpf_get_hash_recalc(skb));
	e.ip.daddr = p->ip.word[3];
	e.ip.check = ip_checksum(&e);

	capture(skb, CAPTURE_OUT_TUNNEL, t->peer, t->id);
	if (bpf_skb_adjust_room(skb, sizeof(e), BPF_ADJ_ROOM_MAC, ROOM_FLAGS))
		return LONG_WAY;
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &e, sizeof(e), BPF_F_RECOMPUTE_CSUM))
		return drop(skb, DROP_FAILED);
	// The kernel's neighbour table gives the MAC and keeps it fresh.
	return bpf_redirect_neigh(ifindex, &hop, sizeof(hop), 0);
}

// Sends a frame to a tunnel into which it fits, by the short way or by the long one.
static __always_inline int to_fitting(struct __sk_buff *skb, struct settings *cfg, struct target *t, struct peer *p,
				      struct size *s)
{
	int result;

	// A mark may be what the host's rules choose the route by.
	if (cfg->flags & CONFIG_DIRECT_ENCAP && !skb->mark) {
		result = encapsulate(skb, t, p, cfg->tunnel_ip, tunnel_priority(s));
		if (result != LONG_WAY) {
			count_to_peer(t->peer, s);
			return result;
		}
	}
	return redirect_tunnel(skb, t, s);
}

// Sends a frame that came in at slot to a tunnel.
static __always_inline int to_tunnel(struct __sk_buff *skb, struct target *t, __u32 slot,
				     struct size *s)
{
	struct settings *cfg = get_config();
	struct peer *p;

	if (!cfg || !cfg->vxlan_ifindex || s->tagged)
		return redirect_tunnel(skb, t, s); // it knows why not
	use_path(t->peer);
	p = bpf_map_lookup_elem(&peers, &t->peer);
	if (p && !fits_tunnel(p, s)) {
		if (may_fragment(skb, cfg, p))
			return redirect_tunnel(skb, t, s);
		return too_big(skb, slot, p->mtu - outer_headers(p) - ETH_HLEN, s);
	}
	return to_fitting(skb, cfg, t, p, s);
}

// Whether a packet of that length, which begins with e, is one of VXLAN for us that may be taken apart. Its checksum, and
// what it says of congestion, are for the caller to look at.
static __always_inline int is_plain(struct encapsulation *e, __u32 length, struct settings *cfg)
{
	if (e->ip.version != 4 || e->ip.ihl != 5 || e->ip.protocol != IPPROTO_UDP || e->ip.frag_off & FRAGMENT_ANY ||
	    !is_end4(cfg, e->ip.daddr) || bpf_ntohs(e->ip.tot_len) != length)
		return 0;
	// A UDP checksum need not be verified (RFC 7348, 4.1).
	if (e->udp.dest != bpf_htons(vxlan_port) || bpf_ntohs(e->udp.len) != length - sizeof(e->ip))
		return 0;
	// All other bits are reserved, to be ignored (RFC 7348, 5).
	return e->flags & bpf_htonl(VXLAN_HAS_VNI) && !(cfg->flags & CONFIG_GBP && e->flags & bpf_htonl(GBP_G));
}

// The inner Ethernet header if this is a plain VXLAN frame for us that may be taken apart
// here; from, vni and tos are filled in. NULL: the long way.
static __always_inline struct ethhdr *plain_vxlan(struct __sk_buff *skb, struct settings *cfg,
						  struct address *from, __u32 *vni, __u32 *tos)
{
	void *data = (void *)(long)skb->data;
	struct encapsulation *e = data + ETH_HLEN;
	__u8 *inner;

	// Frames that stand for several are left to the kernel: it forgets nothing about
	// their segmentation when it takes the headers off.
	if (skb->protocol != bpf_htons(ETH_P_IP) || skb->vlan_present || skb->gso_size ||
	    skb->pkt_type != 0 /* PACKET_HOST */)
		return NULL;
	if ((void *)(e + 1) > (void *)(long)skb->data_end)
		return NULL;
	inner = (void *)(e + 1);
	if (!is_plain(e, skb->len - ETH_HLEN, cfg) || (void *)(inner + 2) > (void *)(long)skb->data_end || ip_checksum(e))
		return NULL;
	if (tells_congestion(e->ip.tos & ECN_MASK, ecn_of(e->inner.h_proto, inner[1])))
		return NULL;
	*from = address4(e->ip.saddr);
	*vni = bpf_ntohl(e->vni) >> 8;
	*tos = e->ip.tos;
	return &e->inner;
}
