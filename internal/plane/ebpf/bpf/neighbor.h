// SPDX-License-Identifier: Apache-2.0
// The stage of ARP (RFC 826) and Neighbor Discovery (RFC 4861): which IP addresses the hosts at
// ports say they have, of which the agent is told as far as it is news; and answers to what they
// ask (suppress.h).
#pragma once

#include "learn.h"
#include "punt.h"
#include "stage.h"
#include "suppress.h"

// Whether the address is that of one host, in more than its own link: not of a group, of nobody
// (0/8, ::), of the host itself (127/8, ::1), of a link (169.254/16, fe80::/10), or reserved (240/4).
static __always_inline int is_host_address(struct address *a)
{
	__u32 first;

	if (is_address4(a)) {
		first = bpf_ntohl(a->word[3]);
		return first >> 24 && first >> 24 != 127 && first >> 28 < 0xe && first >> 16 != 0xa9fe;
	}
	first = bpf_ntohl(a->word[0]);
	if (first >> 24 == 0xff || first >> 22 == 0xfe80 >> 6)
		return 0;
	return first | a->word[1] | a->word[2]; // there are no others in ::/96
}

// The address that the sender of an ARP packet says it has; 0: none.
static __always_inline int arp_address(struct __sk_buff *skb, struct ethhdr *eth, struct address *ip)
{
	struct arp a;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &a, sizeof(a)) || a.hardware != bpf_htons(ARP_ETHERNET) ||
	    a.protocol != bpf_htons(ETH_P_IP) || a.hardware_length != ETH_ALEN || a.protocol_length != 4 ||
	    (a.op != bpf_htons(ARP_REQUEST) && a.op != bpf_htons(ARP_REPLY)) || !same_mac(a.sender, eth->h_source))
		return 0;
	*ip = address4(a.sender_ip); // a probe's is 0.0.0.0 (RFC 5227)
	return is_host_address(ip);
}

// The same of Neighbor Discovery: the source of a solicitation, the target of an advertisement.
static __always_inline int nd_address(struct __sk_buff *skb, struct ethhdr *eth, struct address *ip)
{
	struct ipv6hdr ip6;
	struct nd nd = {};
	__u32 length;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip6, sizeof(ip6)) || ip6.version != 6 || ip6.hop_limit != 255)
		return 0;
	length = bpf_ntohs(ip6.payload_len);
	if (length < ND_WITHOUT_OPTION || bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(ip6), &nd, ND_WITHOUT_OPTION) || nd.code)
		return 0;
	if (length >= sizeof(nd) &&
	    bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(ip6) + ND_WITHOUT_OPTION, &nd.option, sizeof(nd) - ND_WITHOUT_OPTION))
		return 0;
	// What is said in somebody else's name is no host's own word.
	if (nd.option == (nd.type == ICMPV6_NS ? ND_SOURCE : ND_TARGET) &&
	    (nd.option_length != 1 || !same_mac(nd.link_layer, eth->h_source)))
		return 0;
	if (nd.type == ICMPV6_NS)
		__builtin_memcpy(ip, &ip6.saddr, sizeof(*ip)); // ::, if it looks for duplicates (RFC 4862)
	else
		*ip = nd.target;
	return !is_address4(ip) && is_host_address(ip);
}

// Of a MAC and a family so many addresses are told at once, and then one in that time.
#define SNOOP_BURST 8
#define SNOOP_PAUSE SECOND

// Tells the agent that the MAC has the address, if that is news. 1: it was.
__noinline int snoop(struct __sk_buff *skb, struct passage *p, struct ethhdr *eth)
{
	struct mac_key key = {};
	struct snooped_address now = {}, *last;
	struct punt_head about = {.reason = PUNT_ADDRESS};
	struct local *l;
	__u64 time, due;

	if (!p || !eth)
		return 0;
	about.bd = key.bd = p->bd;
	about.slot = p->slot;
	about.gen = p->gen;
	if (!(skb->protocol == bpf_htons(ETH_P_ARP) ? arp_address(skb, eth, &now.ip) : nd_address(skb, eth, &now.ip)))
		return 0;
	// MACs that may not be learned have no row, and their number has no end.
	__builtin_memcpy(key.mac, eth->h_source, ETH_ALEN);
	l = bpf_map_lookup_elem(&locals, &key);
	if (!l || l->slot != p->slot || l->gen != p->gen)
		return 0;
	key.kind = is_address4(&now.ip) ? FAMILY_IPV4 : FAMILY_IPV6;
	last = bpf_map_lookup_elem(&snooped, &key);
	if (last && same_address(&last->ip, &now.ip))
		return 0;
	time = bpf_ktime_get_coarse_ns();
	due = last && last->due > time ? last->due : time;
	if (due - time > SNOOP_BURST * SNOOP_PAUSE)
		return 0;
	__builtin_memcpy(about.mac, key.mac, ETH_ALEN);
	about.ip = now.ip;
	now.at = time;
	now.due = due + SNOOP_PAUSE;
	return punt(skb, &about, 0) && !bpf_map_update_elem(&snooped, &key, &now, BPF_ANY);
}
