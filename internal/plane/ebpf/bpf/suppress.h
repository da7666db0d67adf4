// SPDX-License-Identifier: Apache-2.0
// Suppression of ARP and Neighbor Discovery: questions for stations that are known are answered, and
// not flooded (RFC 9161). Only plain questions are: what tells others something, or is to reach the
// very station, passes; so does whatever is not as it has to be. Those are: gratuitous ARP, probes
// (RFC 5227), searches for duplicates (RFC 4862), advertisements, all that is to one MAC.
#pragma once

#include "learn.h"
#include "output.h"
#include "stage.h"

#define NOT_ANSWERED (-4)

struct arp {
	__be16 hardware, protocol;
	__u8 hardware_length, protocol_length;
	__be16 op;
	__u8 sender[ETH_ALEN];
	__be32 sender_ip;
	__u8 target[ETH_ALEN];
	__be32 target_ip;
} __attribute__((packed, aligned(2)));

#define ARP_ETHERNET 1
#define ARP_REQUEST 1
#define ARP_REPLY 2

// A solicitation or an advertisement, with the option that it has first.
struct nd {
	__u8 type, code;
	__be16 checksum;
	__be32 flags;
	struct address target;
	__u8 option, option_length; // in 8 bytes
	__u8 link_layer[ETH_ALEN];
} __attribute__((packed, aligned(2)));

#define ND_WITHOUT_OPTION offsetof(struct nd, option)
#define ND_SOURCE 1 // the options with a link-layer address
#define ND_TARGET 2

// The MAC of a station that the host at p may be told of, or NULL. A station at the same binding
// answers itself; one that is nowhere known can't.
static __always_inline struct neighbor *find_neighbor(struct passage *p, struct address *ip, struct ethhdr *eth)
{
	struct ip_key of = {.bd = p->bd, .ip = *ip};
	struct neighbor *n = bpf_map_lookup_elem(&neighbors, &of);
	struct mac_key at = {.bd = p->bd};
	struct member *m = NULL;
	struct remote *r;
	__u32 slot;

	if (!n || same_mac(n->mac, eth->h_source))
		return NULL;
	__builtin_memcpy(at.mac, n->mac, ETH_ALEN);
	r = bpf_map_lookup_elem(&remotes, &at);
	if (r && r->peer != ATTACHED_PEER)
		return n;
	slot = find_slot(&at, r, &m);
	return m && slot != p->slot ? n : NULL;
}

// Sends the answer, which begins with its Ethernet header, to where the question came from.
static __always_inline int answer(struct __sk_buff *skb, struct passage *p, void *frame, const __u32 length, __u32 kind)
{
	struct size s = {.packets = 1, .bytes = length, .largest = length, .features = p->size.features, .leaves = p->size.leaves};
	__u64 *n = bpf_map_lookup_elem(&answered, &kind);
	__u32 slot = p->slot;
	struct member *m;

	// A checksum that a NIC gave the frame does not cover the Ethernet header.
	if (bpf_skb_change_tail(skb, length, 0) || bpf_skb_store_bytes(skb, 0, frame, ETH_HLEN, 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, frame + ETH_HLEN, length - ETH_HLEN, BPF_F_RECOMPUTE_CSUM))
		return drop(skb, DROP_FAILED);
	m = bpf_map_lookup_elem(&members, &slot);
	if (!m || m->bd != p->bd)
		return drop(skb, DROP_NO_DESTINATION); // it has just gone
	if (n)
		(*n)++;
	return redirect_member(skb, m, slot, &s);
}

__noinline int suppress_arp(struct __sk_buff *skb, struct passage *p, struct ethhdr *eth)
{
	struct {
		struct ethhdr eth;
		struct arp arp;
	} __attribute__((packed, aligned(2))) f;
	struct neighbor *n;
	struct address target;
	__be32 ip;

	if (!p || !eth || bpf_skb_load_bytes(skb, 0, &f, sizeof(f)) || f.arp.hardware != bpf_htons(ARP_ETHERNET) ||
	    f.arp.protocol != bpf_htons(ETH_P_IP) || f.arp.hardware_length != ETH_ALEN || f.arp.protocol_length != 4 ||
	    f.arp.op != bpf_htons(ARP_REQUEST) || !same_mac(f.arp.sender, f.eth.h_source))
		return NOT_ANSWERED;
	if (!f.arp.sender_ip || f.arp.sender_ip == f.arp.target_ip)
		return NOT_ANSWERED;
	target = address4(f.arp.target_ip);
	n = find_neighbor(p, &target, eth);
	if (!n)
		return NOT_ANSWERED;
	__builtin_memcpy(f.eth.h_dest, f.eth.h_source, ETH_ALEN);
	__builtin_memcpy(f.eth.h_source, n->mac, ETH_ALEN);
	__builtin_memcpy(f.arp.target, f.arp.sender, ETH_ALEN);
	__builtin_memcpy(f.arp.sender, n->mac, ETH_ALEN);
	f.arp.op = bpf_htons(ARP_REPLY);
	ip = f.arp.target_ip;
	f.arp.target_ip = f.arp.sender_ip;
	f.arp.sender_ip = ip;
	return answer(skb, p, &f, sizeof(f), ANSWER_ARP);
}

// A solicitation has an option, and perhaps some more: so many bytes of it are looked at.
#define ND_LONGEST 64
#define ND_SOLICITED (1 << 30)
#define ND_OVERRIDE (1 << 29)

// The checksum of a message of ICMPv6 that is in a buffer of ND_LONGEST bytes, the rest zeroes; of
// one that has it: 0 if right.
static __always_inline __u16 icmp6_checksum(const void *addresses, __be16 length, const void *message)
{
	return fold16(add16(add16(0, addresses, 32) + length + bpf_htons(IPPROTO_ICMPV6), message, ND_LONGEST));
}

// Whether a solicitation of that length has valid options, among them the MAC as that of its source.
static __always_inline int has_source(const __u8 *message, __u64 length, const __u8 *mac)
{
	__u64 i, next = ND_WITHOUT_OPTION;
	int found = 0;

#pragma unroll
	for (i = ND_WITHOUT_OPTION; i < ND_LONGEST; i += 8) {
		if (i != next || i >= length)
			continue;
		next = i + message[i + 1] * 8;
		if (next == i || next > length)
			return 0;
		if (message[i] == ND_SOURCE && message[i + 1] == 1)
			found = same_mac(message + i + 2, mac);
	}
	return found && next == length;
}

// Whether the solicitation is a valid one (RFC 4861, 7.1.1) that asks where a station is.
static __noinline int asks_nd(struct __sk_buff *skb, struct ipv6hdr *ip, struct ethhdr *eth, struct address *target)
{
	union {
		__u8 message[ND_LONGEST];
		struct nd nd;
	} m = {};
	struct nd *nd = &m.nd;
	__u64 rest;

	if (!ip || !eth || !target || bpf_skb_load_bytes(skb, ETH_HLEN, ip, sizeof(*ip)))
		return 0;
	rest = (__u64)bpf_ntohs(ip->payload_len) - 1;
	// From 1 to ND_LONGEST, in the way that the verifier of Linux 6.1 sees it.
	asm volatile("" : "+r"(rest));
	if (rest >= ND_LONGEST || bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(*ip), m.message, rest + 1))
		return 0;
	if (ip->version != 6 || nd->type != ICMPV6_NS || nd->code || ip->hop_limit != 255 ||
	    ip->daddr.s6_addr[0] != 0xff || ip->saddr.s6_addr[0] == 0xff || icmp6_checksum(&ip->saddr, ip->payload_len, m.message))
		return 0;
	// From nobody it is a search for duplicates, and without its own MAC none to answer to.
	if (is_no_address((struct address *)&ip->saddr) || !has_source(m.message, rest + 1, eth->h_source))
		return 0;
	*target = nd->target;
	// A router's address on the link: who asks would take an answer without the flag of routers for
	// the end of that (RFC 4861, 7.2.5), and no row has that flag.
	return bpf_ntohl(target->word[0]) >> 22 != 0xfe80 >> 6 && bpf_ntohl(target->word[0]) >> 24 != 0xff;
}

__noinline int suppress_nd(struct __sk_buff *skb, struct passage *p, struct ethhdr *eth)
{
	struct {
		struct ethhdr eth;
		struct ipv6hdr ip;
		struct nd nd;
		__u8 rest[ND_LONGEST - sizeof(struct nd)]; // zeroes, for the checksum
	} __attribute__((packed, aligned(2))) f = {};
	struct address target = {};
	struct neighbor *n;
	struct ipv6hdr ip;

	if (!p || !eth || !asks_nd(skb, &ip, eth, &target))
		return NOT_ANSWERED;
	n = find_neighbor(p, &target, eth);
	if (!n)
		return NOT_ANSWERED;
	__builtin_memcpy(f.eth.h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(f.eth.h_source, n->mac, ETH_ALEN);
	f.eth.h_proto = bpf_htons(ETH_P_IPV6);
	f.ip.version = 6;
	f.ip.payload_len = bpf_htons(sizeof(f.nd));
	f.ip.nexthdr = IPPROTO_ICMPV6;
	f.ip.hop_limit = 255;
	__builtin_memcpy((void *)&f.ip.saddr, &target, sizeof(target));
	__builtin_memcpy((void *)&f.ip.daddr, &ip.saddr, sizeof(target));
	f.nd.target = target;
	f.nd.type = ICMPV6_NA;
	f.nd.flags = bpf_htonl(ND_SOLICITED | ND_OVERRIDE);
	f.nd.option = ND_TARGET;
	f.nd.option_length = 1;
	__builtin_memcpy(f.nd.link_layer, n->mac, ETH_ALEN);
	f.nd.checksum = icmp6_checksum((void *)&f.ip.saddr, f.ip.payload_len, (void *)&f.nd);
	return answer(skb, p, &f, sizeof(f) - sizeof(f.rest), ANSWER_ND);
}

// Answers a frame to a group or to all, if it asks for a station that is known, or NOT_ANSWERED.
static __always_inline int suppress(struct __sk_buff *skb, struct passage *p, struct ethhdr *eth)
{
	return skb->protocol == bpf_htons(ETH_P_ARP) ? suppress_arp(skb, p, eth) : suppress_nd(skb, p, eth);
}
