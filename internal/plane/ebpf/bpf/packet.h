// SPDX-License-Identifier: Apache-2.0
// What a router reads of a packet, and what it does not route.
#pragma once

#include "frame.h"
#include "stage.h"

// The header behind that of Ethernet, of which so many bytes are there to be read; NULL: it is shorter.
static __always_inline void *network_header(struct __sk_buff *skb, __u32 length)
{
	if ((void *)(long)skb->data + ETH_HLEN + length > (void *)(long)skb->data_end &&
	    (skb->len < ETH_HLEN + length || bpf_skb_pull_data(skb, ETH_HLEN + length)))
		return NULL;
	if ((void *)(long)skb->data + ETH_HLEN + length > (void *)(long)skb->data_end)
		return NULL;
	return (void *)(long)skb->data + ETH_HLEN;
}

// What a router wants to know of a packet.
struct packet {
	struct address dst;
	__u32 ttl;       // or hop limit
	__u32 from_link; // 1: from a link-local address
	__u32 fragment;  // 1: of IPv6, a fragment
};

// As the end of a function: nothing is wrong with the packet, or the hop has all that is to be known.
#define GO_ON (-4)

// ---- IPv4 ------------------------------------------------------------------------------

// Whether a packet from the address, or to it, may leave its link: not of 0/8, 127/8, 169.254/16, 224/3.
static __always_inline int leaves_link4(__be32 ip)
{
	__u32 a = bpf_ntohl(ip);

	return a >> 24 && a >> 24 != 127 && a >> 16 != 0xa9fe && a >> 29 != 7;
}

#define OPTIONS_MOST 40

// How far the options of a header, which is in the passage, have been looked through.
struct ip_options {
	__u32 at, end;
	__u32 source_route;
};

static long next_ip_option(__u32 i, void *ctx)
{
	struct passage *p = get_passage();
	struct ip_options *o = ctx;
	__u32 at = o->at, length = 1;
	__u8 kind;

	if (!p || at >= o->end || at >= sizeof(struct iphdr) + OPTIONS_MOST)
		return 1;
	kind = p->body[at & 127];
	if (kind == 131 || kind == 137)
		o->source_route = 1;
	if (!kind || o->source_route)
		return 1;
	if (kind != 1)
		length = p->body[(at + 1) & 127];
	if (kind != 1 && length < 2)
		return 1;
	o->at = at + length;
	return 0;
}

// What is wrong with a header of `length` bytes, which has options: DROP_REASONS if nothing is.
static __noinline int check_options(struct __sk_buff *skb, __u32 length)
{
	struct settings *cfg = get_config();
	struct passage *p = get_passage();
	struct ip_options o = {.at = sizeof(struct iphdr), .end = length};
	__s64 sum;

	if (!p || !cfg || length <= sizeof(struct iphdr) || length > sizeof(struct iphdr) + OPTIONS_MOST)
		return DROP_BAD_IP;
	__builtin_memset(p->body, 0, 64);
	if (bpf_skb_load_bytes(skb, ETH_HLEN, p->body, length))
		return DROP_BAD_IP;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)p->body, 64, 0);
	if (sum < 0 || fold16((sum & 0xffff) + (sum >> 16)))
		return DROP_BAD_IP;
	o.source_route = cfg->zero; // see struct flooding
	bpf_loop(OPTIONS_MOST, next_ip_option, &o, 0);
	return o.source_route ? DROP_SOURCE_ROUTE : DROP_REASONS;
}

static __always_inline int read4(struct __sk_buff *skb, struct packet *k)
{
	__u32 length, header;
	struct iphdr *ip;
	__be32 from;
	int why;

	ip = network_header(skb, sizeof(*ip));
	if (!ip)
		return drop(skb, DROP_BAD_IP);
	header = ip->ihl * 4;
	length = bpf_ntohs(ip->tot_len);
	k->ttl = ip->ttl;
	from = ip->saddr;
	k->dst = address4(ip->daddr);
	if (skb->gso_size && !length)
		length = skb->len - ETH_HLEN;
	if (ip->version != 4 || header < sizeof(*ip) || length < header || length + ETH_HLEN > skb->len || !k->ttl)
		return drop(skb, DROP_BAD_IP);
	if (header == sizeof(*ip)) {
		if (ip_checksum(ip))
			return drop(skb, DROP_BAD_IP);
	} else {
		why = check_options(skb, header);
		if (why != DROP_REASONS)
			return drop(skb, why);
	}
	if (!leaves_link4(from) || !leaves_link4(k->dst.word[3]))
		return drop(skb, DROP_UNROUTABLE);
	return GO_ON;
}

// ---- IPv6 ------------------------------------------------------------------------------

static __always_inline int is_link_local(struct in6_addr *a)
{
	return (a->in6_u.u6_addr32[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

// Whether it is of a host: not of a group, ::, or ::1.
static __always_inline int is_host6(struct in6_addr *a)
{
	return a->in6_u.u6_addr8[0] != 0xff &&
	       (a->in6_u.u6_addr32[0] | a->in6_u.u6_addr32[1] | a->in6_u.u6_addr32[2] ||
		bpf_ntohl(a->in6_u.u6_addr32[3]) > 1);
}

static __always_inline int read6(struct __sk_buff *skb, struct packet *k)
{
	struct ipv6hdr *ip = network_header(skb, sizeof(*ip));

	if (!ip || ip->version != 6 || !ip->hop_limit || ETH_HLEN + sizeof(*ip) + bpf_ntohs(ip->payload_len) > skb->len)
		return drop(skb, DROP_BAD_IP);
	if (!is_host6(&ip->saddr) || !is_host6(&ip->daddr) || is_link_local(&ip->daddr))
		return drop(skb, DROP_UNROUTABLE);
	k->ttl = ip->hop_limit;
	k->fragment = ip->nexthdr == IPPROTO_FRAGMENT;
	k->from_link = is_link_local(&ip->saddr);
	__builtin_memcpy(&k->dst, &ip->daddr, sizeof(k->dst));
	return GO_ON;
}
