// SPDX-License-Identifier: Apache-2.0
// What hosts ask of the addresses of their router: ARP (RFC 826) and Neighbor Discovery (RFC 4861).
// Only hosts at ports are answered: behind a tunnel the VTEP there is a router, too.
#pragma once

#include "icmp.h"
#include "neighbor.h"
#include "punt.h"
#include "stage.h"

#define NOT_TAKEN (-3)

static __always_inline struct gateway *gateway_of(__u32 bd)
{
	return bpf_map_lookup_elem(&gateways, &bd);
}

// Whether the MAC is one that the router of the switch is reached by.
static __always_inline int is_routers(__u32 bd, const __u8 *mac)
{
	struct mac_key key = {.bd = bd};
	struct remote *r;

	__builtin_memcpy(key.mac, mac, ETH_ALEN);
	r = bpf_map_lookup_elem(&remotes, &key);
	return r && r->peer == ROUTER_PEER;
}

// Whether the router of the switch has the address there.
static __always_inline int is_own_address(__u32 bd, struct address *ip)
{
	struct ip_key key = {.bd = bd, .ip = *ip};
	struct neighbor *n = bpf_map_lookup_elem(&neighbors, &key);

	return n && n->kind == NEIGHBOR_ROUTER;
}

// Sends what the frame has become back to where it came from.
static __always_inline int send_back(struct __sk_buff *skb, struct passage *p, __u32 length)
{
	struct size reply = {.packets = 1, .bytes = length, .largest = length};
	__u32 slot = p->slot;
	struct member *m = bpf_map_lookup_elem(&members, &slot);

	if (!length || !m || m->bd != p->bd)
		return drop(skb, DROP_FAILED);
	return redirect_member(skb, m, slot, &reply);
}

// Says where the frame came in. The passage of a frame to the router has no gen.
static __always_inline void came_where(struct passage *p, struct punt_head *about)
{
	__u32 slot = p->slot;
	struct member *m = bpf_map_lookup_elem(&members, &slot);

	about->bd = p->bd;
	about->slot = slot;
	about->gen = m && slot ? m->gen : 0;
}

// What a router is told by others. Shows it to the agent if it is an answer to the router.
__noinline int hear(struct __sk_buff *skb, int is_answer)
{
	struct punt_head about = {.reason = PUNT_ANSWER};
	struct passage *p = get_passage();

	if (!p || !is_answer)
		return drop(skb, DROP_UNSERVED);
	came_where(p, &about);
	return punt(skb, &about, PUNT_LARGE) ? TC_ACT_SHOT : drop(skb, DROP_UNSERVED);
}

struct arp_frame {
	struct ethhdr eth;
	struct arp arp;
} __attribute__((packed, aligned(2)));

__noinline int take_arp(struct __sk_buff *skb)
{
	struct passage *p = get_passage();
	struct address target;
	struct arp_frame f;
	struct gateway *g;
	__be32 ip;

	if (!p)
		return drop(skb, DROP_FAILED);
	g = gateway_of(p->bd);
	if (!g)
		return NOT_TAKEN;
	if (bpf_skb_load_bytes(skb, 0, &f, sizeof(f)) || f.arp.hardware != bpf_htons(ARP_ETHERNET) ||
	    f.arp.protocol != bpf_htons(ETH_P_IP) || f.arp.hardware_length != ETH_ALEN ||
	    f.arp.protocol_length != 4 || is_nobody(f.arp.sender))
		return drop(skb, DROP_BAD_ARP);
	target = address4(f.arp.target_ip);
	if (p->slot && f.arp.op == bpf_htons(ARP_REQUEST) && is_own_address(p->bd, &target)) {
		__builtin_memcpy(f.eth.h_dest, f.eth.h_source, ETH_ALEN);
		__builtin_memcpy(f.eth.h_source, g->mac, ETH_ALEN);
		ip = f.arp.target_ip;
		f.arp.op = bpf_htons(ARP_REPLY);
		__builtin_memcpy(f.arp.target, f.arp.sender, ETH_ALEN);
		f.arp.target_ip = f.arp.sender_ip;
		__builtin_memcpy(f.arp.sender, g->mac, ETH_ALEN);
		f.arp.sender_ip = ip;
		return send_back(skb, p, cut(skb, &f, sizeof(f)));
	}
	if (is_routers(p->bd, f.eth.h_dest))
		return hear(skb, f.arp.op == bpf_htons(ARP_REPLY));
	return NOT_TAKEN;
}

#define ND_MOST 128 // bytes of a message that are looked at; longer ones are refused
#define ND_ROUTER (1U << 31)

struct nd_frame {
	struct ethhdr eth;
	struct ipv6hdr ip;
	struct nd nd;
} __attribute__((packed, aligned(2)));

// Addresses in a frame are not aligned.
static __always_inline struct address address6(const void *ip)
{
	struct address a;

	__builtin_memcpy(&a, ip, sizeof(a));
	return a;
}

static __always_inline int is_solicited_node(const void *ip)
{
	struct address a = address6(ip);

	return a.word[0] == bpf_htonl(0xff020000) && !a.word[1] && a.word[2] == bpf_htonl(1) &&
	       (a.word[3] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
}

static __always_inline int is_unspecified6(const void *ip)
{
	struct address a = address6(ip);

	return is_no_address(&a);
}

// How far the options of a message have been looked through.
struct options {
	__u32 at, end;
	__u32 bad;
	__u32 source; // 1: it says the MAC of its source
};

static long next_option(__u32 i, void *ctx)
{
	struct passage *p = get_passage();
	struct options *o = ctx;
	__u32 at = o->at, length;

	if (!p)
		return 1;
	if (at + 8 > o->end || at + 1 >= ND_MOST) {
		o->bad |= at != o->end;
		return 1;
	}
	length = p->body[(at + 1) & (ND_MOST - 1)] * 8;
	if (!length || at + length > o->end) {
		o->bad = 1;
		return 1;
	}
	if (p->body[at & (ND_MOST - 1)] == ND_SOURCE && length == 8)
		o->source = 1;
	o->at = at + length;
	return 0;
}

// Whether the message is as it has to be (RFC 4861, 7.1); f is what it begins with.
__noinline int is_valid_nd(struct __sk_buff *skb, struct nd_frame *f)
{
	struct settings *cfg = get_config();
	struct passage *p = get_passage();
	struct options o = {};
	__u32 length;
	void *addresses;
	__s64 sum;

	if (!cfg || !f || !p)
		return 0;
	length = bpf_ntohs(f->ip.payload_len);
	if (f->ip.hop_limit != 255 || f->ip.version != 6 || f->nd.code || length < ND_WITHOUT_OPTION || length > ND_MOST)
		return 0;
	__builtin_memset(p->body, 0, sizeof(p->body));
	// Once more: the verifier of Linux 6.1 forgets what it knew of a number that was on the stack.
	asm volatile("" : "+r"(length));
	if (length < ND_WITHOUT_OPTION || length > ND_MOST ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(f->ip), p->body, length))
		return 0;
	addresses = &f->ip.saddr;
	sum = bpf_csum_diff(NULL, 0, addresses, 32, f->ip.payload_len + bpf_htons(IPPROTO_ICMPV6));
	sum = bpf_csum_diff(NULL, 0, (__be32 *)p->body, ND_MOST, sum);
	if (sum < 0 || fold16((sum & 0xffff) + (sum >> 16)) || (f->nd.target.word[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000))
		return 0;
	o.at = ND_WITHOUT_OPTION;
	o.end = length;
	o.bad = o.source = cfg->zero; // see struct flooding
	bpf_loop(ND_MOST / 8, next_option, &o, 0);
	if (o.bad)
		return 0;
	if (f->nd.type == ICMPV6_NA)
		return !(f->ip.daddr.in6_u.u6_addr8[0] == 0xff && f->nd.flags & bpf_htonl(ND_SOLICITED));
	return !is_unspecified6(&f->ip.saddr) || (!o.source && is_solicited_node(&f->ip.daddr));
}

// Makes the frame the answer to the solicitation f.
static __always_inline __u32 make_advertisement(struct __sk_buff *skb, struct nd_frame *f, const __u8 *mac)
{
	static const __u8 all_nodes[ETH_ALEN] = {0x33, 0x33, 0, 0, 0, 1};
	__u32 flags = ND_ROUTER | ND_SOLICITED | ND_OVERRIDE, sum;

	__builtin_memcpy(f->eth.h_dest, f->eth.h_source, ETH_ALEN);
	f->ip.daddr = f->ip.saddr;
	if (is_unspecified6(&f->ip.saddr)) { // it looks for somebody who has its address (RFC 4862)
		flags = ND_ROUTER | ND_OVERRIDE;
		__builtin_memcpy(f->eth.h_dest, all_nodes, ETH_ALEN);
		f->ip.daddr.in6_u.u6_addr32[0] = bpf_htonl(0xff020000);
		f->ip.daddr.in6_u.u6_addr32[3] = bpf_htonl(1);
	}
	__builtin_memcpy(f->eth.h_source, mac, ETH_ALEN);
	__builtin_memset(&f->ip, 0, 8);
	f->ip.version = 6;
	f->ip.payload_len = bpf_htons(sizeof(f->nd));
	f->ip.nexthdr = IPPROTO_ICMPV6;
	f->ip.hop_limit = 255;
	__builtin_memcpy(&f->ip.saddr, &f->nd.target, sizeof(f->ip.saddr));
	f->nd.type = ICMPV6_NA;
	f->nd.checksum = 0;
	f->nd.flags = bpf_htonl(flags);
	f->nd.option = ND_TARGET;
	f->nd.option_length = 1;
	__builtin_memcpy(f->nd.link_layer, mac, ETH_ALEN);
	sum = add16(0, &f->ip.saddr, 32) + f->ip.payload_len + bpf_htons(IPPROTO_ICMPV6);
	f->nd.checksum = fold16(add16(sum, &f->nd, sizeof(f->nd)));
	return cut(skb, f, sizeof(*f));
}

__noinline int take_nd(struct __sk_buff *skb)
{
	struct passage *p = get_passage();
	struct nd_frame f = {};
	struct address target;
	struct gateway *g;
	int to_it, own = 0;

	if (!p)
		return drop(skb, DROP_FAILED);
	g = gateway_of(p->bd);
	if (!g || bpf_skb_load_bytes(skb, 0, &f.eth, sizeof(f.eth)))
		return NOT_TAKEN;
	to_it = is_routers(p->bd, f.eth.h_dest);
	if (!bpf_skb_load_bytes(skb, 0, &f, sizeof(f.eth) + sizeof(f.ip) + ND_WITHOUT_OPTION)) {
		target = address6(&f.nd.target);
		own = is_own_address(p->bd, &target);
	}
	if (!own && !to_it)
		return NOT_TAKEN;
	if (!is_valid_nd(skb, &f))
		return drop(skb, DROP_BAD_ND);
	if (p->slot && own && f.nd.type == ICMPV6_NS)
		return send_back(skb, p, make_advertisement(skb, &f, g->mac));
	if (to_it)
		return hear(skb, f.nd.type == ICMPV6_NA);
	return NOT_TAKEN;
}

// The frame, which is_neighbor_message, if it is for the router; else NOT_TAKEN.
static __always_inline int take_for_gateway(struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(ETH_P_ARP) ? take_arp(skb) : take_nd(skb);
}

// The stage of ARP and Neighbor Discovery.
static __always_inline int neighbor(struct __sk_buff *skb)
{
	struct passage *p = get_passage();
	struct ethhdr eth;
	int taken;

	if (!p || bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return drop(skb, DROP_FAILED);
	if (p->size.features & FEATURE_SNOOP)
		snoop(skb, p, &eth);
	if (p->size.features & FEATURE_ROUTE) {
		taken = take_for_gateway(skb);
		if (taken != NOT_TAKEN)
			return taken;
	}
	if (p->size.features & FEATURE_SUPPRESS && is_group(eth.h_dest)) {
		taken = suppress(skb, p, &eth);
		if (taken != NOT_ANSWERED)
			return taken;
	}
	return next_stage(skb, p);
}
