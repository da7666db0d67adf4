// SPDX-License-Identifier: Apache-2.0
// Whether the checksums in a frame that XDP sees are finished. Those of frames that a driver makes of what came by a wire are.
#pragma once

#include <linux/udp.h>

#include "frame.h"

#ifdef VETH
// Frames of a veth device may be buffers of the kernel in which the last checksum is not finished: the field has the sum
// of the pseudo header, and the device that sends the frame is to add the rest. That is said beside the bytes and
// would be lost. (The tag that may also be beside them is why a veth port with VLANs has no program, xdpfit.go.)
#define CHUNK 64
#define CHUNKS 32

static __always_inline __u32 sum_up(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32 << 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0 : sum; // both are nothing
}

// Bytes that are summed up. What it begins with comes from the frame; see struct flooding.
struct summing {
	struct xdp_md *x;
	__u32 at, length; // of what is left
	__u64 sum;        // ~0: there is less than that
};

static long sum_chunk(__u32 i, void *ctx)
{
	__u32 buffer[CHUNK / 4] = {};
	struct summing *s = ctx;
	__u64 n;

	n = s->length < CHUNK ? s->length : CHUNK;
	// The verifier has to see what the compiler knows: both bounds, each by itself, as Linux 6.1 wants it.
	asm volatile("" : "+r"(n));
	if ((__s64)n <= 0)
		return 1;
	asm volatile("" : "+r"(n));
	if (n > CHUNK)
		return 1;
	if (bpf_xdp_load_bytes(s->x, s->at, buffer, n)) {
		s->sum = ~0ULL;
		return 1;
	}
	s->sum += (__u32)bpf_csum_diff(NULL, 0, buffer, sizeof(buffer), 0);
	s->at += n;
	s->length -= n;
	return 0;
}

// 1 if no checksum of the IP packet that begins there, or of what it may have in it, is left to be finished.
__noinline int is_finished(struct xdp_md *x, __u32 off, __u32 proto)
{
	void *at = (void *)(long)x->data + (off & 0xff), *end = (void *)(long)x->data_end;
	struct summing s = {};
	__u32 length, from;
	__be16 *field;
	__u64 pseudo;
	__u8 next;

	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = at;

		if ((void *)(ip + 1) > end || ip->frag_off & FRAGMENT_ANY || ip->ihl != 5)
			return 0;
		next = ip->protocol;
		length = bpf_ntohs(ip->tot_len) - sizeof(*ip);
		pseudo = (__u64)ip->saddr + ip->daddr;
		from = sizeof(*ip);
	} else {
		struct ipv6hdr *ip = at;
		__be32 *word;

		if ((void *)(ip + 1) > end)
			return 0;
		next = ip->nexthdr;
		length = bpf_ntohs(ip->payload_len);
		word = (void *)&ip->saddr;
		pseudo = (__u64)word[0] + word[1] + word[2] + word[3] + word[4] + word[5] + word[6] + word[7];
		from = sizeof(*ip);
	}
	if (next == IPPROTO_ICMP || next == IPPROTO_ICMPV6)
		return 1;
	if (next != IPPROTO_TCP && next != IPPROTO_UDP) // a tunnel, perhaps
		return 0;
	field = at + from + (next == IPPROTO_TCP ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check));
	if ((void *)(field + 1) > end || length > CHUNK * CHUNKS)
		return 0;
	pseudo += bpf_htons(next) + bpf_htons(length);
	if (sum_up(pseudo) == sum_up(*field))
		return 0;
	if (next == IPPROTO_TCP)
		return 1;
	// In UDP there may be a tunnel, with something unfinished in it: then the bytes as they are don't add up.
	if (!*field)
		return 0;
	s.x = x;
	s.at = (off & 0xff) + from;
	s.length = length;
	s.sum = pseudo;
	bpf_loop(CHUNKS, sum_chunk, &s, 0);
	return !s.length && s.sum != ~0ULL && !sum_up(s.sum);
}
#else
#define is_finished(x, off, proto) 1
#endif
