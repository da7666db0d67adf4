// SPDX-License-Identifier: Apache-2.0
// Packets for a router itself: it answers requests for an echo of hosts at ports, in fragments or whole.
#pragma once

#include "gateway.h"
#include "learn.h"

struct echo4 {
	struct ethhdr eth;
	struct iphdr ip;
	__u8 type, code;
	__u16 checksum;
} __attribute__((packed, aligned(2)));

struct echo6 {
	struct ethhdr eth;
	struct ipv6hdr ip;
	__u8 type, code;
	__u16 checksum;
} __attribute__((packed, aligned(2)));

// A checksum after a word that it covers has changed (RFC 1624).
static __always_inline __u16 adjust(__u16 checksum, __u16 before, __u16 after)
{
	return fold16((__u32)(__u16)~checksum + (__u16)~before + after);
}

#define ECHO_LEAST 8 // bytes of a message

// A request in fragments is answered one by one: the answer is as long, and has the same data. Those of which the first
// has passed are known so long.
#define ECHO_TIME (5 * SECOND)

// Whether a fragment is of a request that is answered, as which the first one is known.
static __always_inline int is_of_echo(struct echo_key *key, int first)
{
	__u64 now = bpf_ktime_get_coarse_ns(), *since;

	if (first)
		return !bpf_map_update_elem(&echoes, key, &now, BPF_ANY);
	since = bpf_map_lookup_elem(&echoes, key);
	return since && now - *since < ECHO_TIME;
}

__noinline int echo_back4(struct __sk_buff *skb)
{
	struct passage *p = get_passage();
	struct echo_key key = {};
	struct gateway *g;
	struct echo4 f;
	int first;
	__be32 ip;
	__u16 was;

	if (!p)
		return drop(skb, DROP_FAILED);
	g = gateway_of(p->bd);
	if (!g || !p->slot || bpf_skb_load_bytes(skb, 0, &f, offsetof(struct echo4, type)) || f.ip.ihl != 5 || f.ip.protocol != IPPROTO_ICMP)
		return drop(skb, DROP_UNSERVED);
	first = !(f.ip.frag_off & FRAGMENT_OFFSET);
	if (first && (bpf_ntohs(f.ip.tot_len) < sizeof(f.ip) + ECHO_LEAST || bpf_skb_load_bytes(skb, 0, &f, sizeof(f)) ||
		      f.type != ICMP_ECHO || f.code))
		return drop(skb, DROP_UNSERVED);
	if (f.ip.frag_off & FRAGMENT_ANY) {
		key.bd = p->bd;
		key.src = address4(f.ip.saddr);
		key.dst = address4(f.ip.daddr);
		key.id = f.ip.id;
		if (!is_of_echo(&key, first))
			return drop(skb, DROP_UNSERVED);
	}
	__builtin_memcpy(f.eth.h_dest, f.eth.h_source, ETH_ALEN);
	__builtin_memcpy(f.eth.h_source, g->mac, ETH_ALEN);
	was = bpf_htons(f.ip.ttl << 8 | f.ip.protocol);
	f.ip.ttl = 64;
	f.ip.check = adjust(f.ip.check, was, bpf_htons(64 << 8 | IPPROTO_ICMP));
	ip = f.ip.saddr;
	f.ip.saddr = f.ip.daddr;
	f.ip.daddr = ip;
	if (bpf_skb_store_bytes(skb, 0, &f, offsetof(struct echo4, type), 0))
		return drop(skb, DROP_FAILED);
	if (first) {
		f.type = ICMP_ECHOREPLY;
		f.checksum = adjust(f.checksum, bpf_htons(ICMP_ECHO << 8), 0);
		if (bpf_skb_store_bytes(skb, offsetof(struct echo4, type), &f.type, sizeof(f) - offsetof(struct echo4, type), 0))
			return drop(skb, DROP_FAILED);
	}
	return send_back(skb, p, skb->len);
}

struct fragment6 {
	struct ethhdr eth;
	struct ipv6hdr ip;
	__u8 next, zero;
	__be16 offset;
	__be32 id;
	__u8 type, code;
	__u16 checksum;
} __attribute__((packed, aligned(2)));

__noinline int echo_fragment6(struct __sk_buff *skb)
{
	struct passage *p = get_passage();
	struct echo_key key = {};
	struct fragment6 f = {};
	struct gateway *g;
	int first;

	if (!p)
		return drop(skb, DROP_FAILED);
	g = gateway_of(p->bd);
	if (!g || !p->slot || bpf_skb_load_bytes(skb, 0, &f, offsetof(struct fragment6, type)) ||
	    bpf_ntohs(f.ip.payload_len) < offsetof(struct fragment6, type) - offsetof(struct fragment6, next) || f.next != IPPROTO_ICMPV6)
		return drop(skb, DROP_UNSERVED);
	first = !(f.offset & FRAGMENT_OFFSET6);
	if (first && (bpf_ntohs(f.ip.payload_len) < 8 + ECHO_LEAST ||
		      bpf_skb_load_bytes(skb, offsetof(struct fragment6, type), &f.type, sizeof(f) - offsetof(struct fragment6, type)) ||
		      f.type != ICMPV6_ECHO || f.code))
		return drop(skb, DROP_UNSERVED);
	key.bd = p->bd;
	__builtin_memcpy(&key.src, &f.ip.saddr, sizeof(key.src));
	__builtin_memcpy(&key.dst, &f.ip.daddr, sizeof(key.dst));
	key.id = f.id;
	if (!is_of_echo(&key, first))
		return drop(skb, DROP_UNSERVED);
	__builtin_memcpy(f.eth.h_dest, f.eth.h_source, ETH_ALEN);
	__builtin_memcpy(f.eth.h_source, g->mac, ETH_ALEN);
	f.ip.hop_limit = 64;
	__builtin_memcpy(&f.ip.saddr, &key.dst, sizeof(key.dst));
	__builtin_memcpy(&f.ip.daddr, &key.src, sizeof(key.src));
	if (bpf_skb_store_bytes(skb, 0, &f.eth, sizeof(f.eth), 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &f.ip, sizeof(f.ip), BPF_F_RECOMPUTE_CSUM))
		return drop(skb, DROP_FAILED);
	if (first) {
		f.type = ICMPV6_ECHOREPLY;
		f.checksum = adjust(f.checksum, bpf_htons(ICMPV6_ECHO << 8), bpf_htons(ICMPV6_ECHOREPLY << 8));
		if (bpf_skb_store_bytes(skb, offsetof(struct fragment6, type), &f.type, sizeof(f) - offsetof(struct fragment6, type), BPF_F_RECOMPUTE_CSUM))
			return drop(skb, DROP_FAILED);
	}
	return send_back(skb, p, skb->len);
}

__noinline int echo_back6(struct __sk_buff *skb)
{
	struct passage *p = get_passage();
	struct gateway *g;
	struct in6_addr ip;
	struct echo6 f;

	if (!p)
		return drop(skb, DROP_FAILED);
	g = gateway_of(p->bd);
	if (!g || !p->slot || bpf_skb_load_bytes(skb, 0, &f, sizeof(f)) || f.ip.nexthdr != IPPROTO_ICMPV6 ||
	    bpf_ntohs(f.ip.payload_len) < ECHO_LEAST || f.type != ICMPV6_ECHO || f.code)
		return drop(skb, DROP_UNSERVED);
	__builtin_memcpy(f.eth.h_dest, f.eth.h_source, ETH_ALEN);
	__builtin_memcpy(f.eth.h_source, g->mac, ETH_ALEN);
	f.ip.hop_limit = 64;
	ip = f.ip.saddr;
	f.ip.saddr = f.ip.daddr;
	f.ip.daddr = ip;
	f.type = ICMPV6_ECHOREPLY;
	f.checksum = adjust(f.checksum, bpf_htons(ICMPV6_ECHO << 8), bpf_htons(ICMPV6_ECHOREPLY << 8));
	if (bpf_skb_store_bytes(skb, 0, &f.eth, sizeof(f.eth), 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &f.ip, sizeof(f) - ETH_HLEN, BPF_F_RECOMPUTE_CSUM))
		return drop(skb, DROP_FAILED);
	return send_back(skb, p, skb->len);
}
