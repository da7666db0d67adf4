// SPDX-License-Identifier: Apache-2.0
// Access control lists: what an ACL decides of a frame at a binding, by tables that the agent has made
// of its entries (package acl, docs/acl.md): diagrams that lead from facts of the frame to sets of
// entries, of which the first that is in all of them decides.
#pragma once

#include "size.h"

// ---- facts -----------------------------------------------------------------------------

static __always_inline struct acl_work *get_acl_work(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&acl_work, &zero);
}

static __always_inline void read_transport(struct __sk_buff *skb, struct acl_work *w, __u32 off, __u8 icmp)
{
	__u8 protocol = w->key[ACL_KEY_PROTOCOL];

	if (protocol == IPPROTO_TCP) {
		w->key[ACL_KEY_KIND] = ACL_KIND_PORTS | ACL_KIND_TCP;
		if (bpf_skb_load_bytes(skb, off, w->part, 14)) {
			w->missing = ACL_MISSING_TRANSPORT;
			return;
		}
		*(__u32 *)&w->key[ACL_KEY_PORTS] = *(__u32 *)w->part;
		w->key[ACL_KEY_TCP_FLAGS] = w->part[12] & 15;
		w->key[ACL_KEY_TCP_FLAGS + 1] = w->part[13];
	} else if (protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP) {
		w->key[ACL_KEY_KIND] = ACL_KIND_PORTS;
		if (bpf_skb_load_bytes(skb, off, &w->key[ACL_KEY_PORTS], 4))
			w->missing = ACL_MISSING_TRANSPORT;
	} else if (protocol == icmp) {
		w->key[ACL_KEY_KIND] = ACL_KIND_ICMP;
		if (bpf_skb_load_bytes(skb, off, &w->key[ACL_KEY_ICMP], 2))
			w->missing = ACL_MISSING_TRANSPORT;
	}
}

enum acl_found {
	ACL_FOUND_FIRST = 1, // the protocol is next
	ACL_FOUND_LATER,     // likewise, in a fragment that is not the first
};

struct extensions {
	struct __sk_buff *skb;
	struct acl_work *w;
};

// Goes past one extension header: off is where it is, next its number.
static long next_extension(__u32 i, void *ctx)
{
	struct extensions *x = ctx;
	struct __sk_buff *skb = x->skb;
	struct acl_work *w = x->w;
	__u32 length;
	__u8 *b = w->part;

	switch (w->next) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
	case IPPROTO_FRAGMENT:
		break;
	default:
		w->found = ACL_FOUND_FIRST;
		return 1;
	}
	if (i == ACL_EXTENSIONS || bpf_skb_load_bytes(skb, w->off, b, 8))
		return 1;
	if (w->next == IPPROTO_FRAGMENT) {
		length = 8;
		if (b[2] | (b[3] & 0xf8)) {
			w->next = b[0];
			w->found = ACL_FOUND_LATER;
			return 1;
		}
	} else if (w->next == IPPROTO_AH) {
		length = (b[1] + 2) * 4;
	} else {
		length = (b[1] + 1) * 8;
	}
	if (w->off + length > skb->len)
		return 1;
	w->off += length;
	w->next = b[0];
	return 0;
}

static __always_inline void read_ipv6(struct __sk_buff *skb, struct acl_work *w)
{
	struct extensions x = {.skb = skb, .w = w};

	if (bpf_skb_load_bytes(skb, ETH_HLEN + 24, &w->key[ACL_KEY_DESTINATION], 16) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + 8, &w->key[ACL_KEY_SOURCE], 16) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, w->part, 8) || w->part[0] >> 4 != 6) {
		w->missing = ACL_MISSING_IP;
		return;
	}
	w->off = ETH_HLEN + sizeof(struct ipv6hdr);
	w->next = w->part[6];
	w->found = 0;
	bpf_loop(ACL_EXTENSIONS + 1, next_extension, &x, 0);
	if (!w->found) {
		w->missing = ACL_MISSING_PROTOCOL;
		return;
	}
	w->key[ACL_KEY_PROTOCOL] = w->next;
	if (w->found == ACL_FOUND_FIRST)
		read_transport(skb, w, w->off, IPPROTO_ICMPV6);
}

static __always_inline void read_ipv4(struct __sk_buff *skb, struct acl_work *w)
{
	struct iphdr *ip = (struct iphdr *)w->part;
	__u32 length;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, ip, sizeof(*ip)))
		goto missing;
	length = ip->ihl * 4;
	if (ip->version != 4 || length < sizeof(*ip) || ETH_HLEN + length > skb->len)
		goto missing;
	*(__be32 *)&w->key[ACL_KEY_SOURCE] = ip->saddr;
	*(__be32 *)&w->key[ACL_KEY_DESTINATION] = ip->daddr;
	w->key[ACL_KEY_PROTOCOL] = ip->protocol;
	if (!(ip->frag_off & FRAGMENT_OFFSET))
		read_transport(skb, w, ETH_HLEN + length, IPPROTO_ICMP);
	return;
missing:
	w->missing = ACL_MISSING_IP;
}

// Finds the facts of a frame that is as it is in its switch, without the tag of a binding.
__noinline int read_facts(struct __sk_buff *skb)
{
	struct acl_work *w = get_acl_work();
	__be16 type;

	if (!w)
		return 0;
	__builtin_memset(w->key, 0, sizeof(w->key));
	w->missing = 0;
	// With the EtherType, which belongs elsewhere: nothing looks behind the MACs.
	if (bpf_skb_load_bytes(skb, 0, &w->key[ACL_KEY_MACS], ETH_HLEN))
		return 0;
	// A tag that the kernel has moved out of the frame is what it has.
	type = skb->vlan_present ? (__be16)skb->vlan_proto : *(__be16 *)&w->key[ACL_KEY_MACS + 2 * ETH_ALEN];
	*(__be16 *)&w->key[ACL_KEY_ETHERTYPE] = type;
	if (type == bpf_htons(ETH_P_IP)) {
		w->key[ACL_KEY_FAMILY] = 4;
		read_ipv4(skb, w);
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		w->key[ACL_KEY_FAMILY] = 6;
		read_ipv6(skb, w);
	}
	return 0;
}

// ---- decision --------------------------------------------------------------------------

static __always_inline struct acl_block *get_acl_block(__u32 at)
{
	return bpf_map_lookup_elem(&acl_blocks, &at);
}

#define ACL_STRIDE 16 // steps in one go
#define ACL_STEPS 128 // of these, more than any program takes

static __always_inline __u64 acl_word(__u32 root, __u32 word)
{
	struct acl_block *b = get_acl_block(root + (word >> 3));

	return b ? b->words[word & 7] : 0;
}

// Where to go on with the next dimension that does not need what is missing. 0: there is none, or
// its turn is with the next step.
static __always_inline __u32 next_dimension(struct acl_work *w)
{
	__u32 i = w->dimension;
	struct acl_block *b;

	if (i >= w->dimensions)
		return 0;
	w->dimension = i + 1;
	b = get_acl_block(w->first + (i >> 3));
	if (!b)
		return 0;
	i = (i & 7) * 2;
	return b->refs[i + 1] & w->missing ? 0 : b->refs[i];
}

// Steps from node to node; the sets of entries that leaves lead to are noted.
static long acl_steps(__u32 i, void *ctx)
{
	struct acl_work *w = *(struct acl_work **)ctx;
	__u32 root = w->root, ref = w->ref, n;
	struct acl_block *b;
	__u64 *key;

	for (i = 0; i < ACL_STRIDE; i++) {
		if (!ref) {
			if (w->dimension >= w->dimensions)
				return 1;
			ref = next_dimension(w);
			continue;
		}
		if (ref >> 30 == ACL_REF_LEAF) {
			ref &= ACL_REF_WORD;
			w->left &= acl_word(root, ref);
			if (!w->left)
				return 1;
			n = w->vectors;
			if (n < ACL_DIMENSIONS)
				w->vector[n] = ref;
			w->vectors = n + 1;
			ref = next_dimension(w);
			continue;
		}
		b = get_acl_block(root + (ref & ACL_REF_BLOCK));
		if (!b) {
			w->left = 0;
			return 1;
		}
		n = ref >> 23 & 127;
		if (ref >> 30 == ACL_REF_COMPARE) {
			// Its words: mask, value, and where to go on.
			key = (__u64 *)&w->key[(n & 3) * 16];
			ref = ((key[0] & b->words[0]) ^ b->words[2]) | ((key[1] & b->words[1]) ^ b->words[3]) ? b->refs[9] : b->refs[8];
		} else {
			__u32 byte = w->key[n >> 1];

			ref = b->refs[n & 1 ? byte & 15 : byte >> 4];
		}
	}
	w->ref = ref;
	return 0;
}

// Looks for an entry in one of the words in which there may be one, a vector in each step. Of vectors
// of several words, those that are zero are not there: the first word says which are.
static long acl_search(__u32 i, void *ctx)
{
	struct acl_work *w = *(struct acl_work **)ctx;
	__u32 n = w->dimension, vector;
	__u64 low, which;

	if (!w->left)
		return 1;
	low = w->left & -w->left;
	if (n == w->vectors) { // all of them have it
		w->entry = (__builtin_popcountll(low - 1) << 6) + __builtin_popcountll((w->word & -w->word) - 1);
		w->found = 1;
		return 1;
	}
	if (n >= ACL_DIMENSIONS)
		return 1;
	vector = w->vector[n];
	which = acl_word(w->root, vector);
	w->word &= acl_word(w->root, vector + 1 + __builtin_popcountll(which & (low - 1)));
	w->dimension = n + 1;
	if (!w->word) {
		w->left &= ~low;
		w->word = ~0ULL;
		w->dimension = 0;
	}
	return 0;
}

// The first word of a set of n entries.
static __always_inline __u64 acl_all(__u32 n)
{
	if (n > 64)
		n = (n + 63) >> 6;
	return n >= 64 ? ~0ULL : (1ULL << n) - 1;
}

// What the header says of a direction.
static __always_inline __u32 acl_head(struct acl_block *head, __u32 egress, __u32 what)
{
	return egress ? head->refs[ACL_HEAD_EGRESS + what] : head->refs[ACL_HEAD_INGRESS + what];
}

// Finds the entry of the program at root that decides about the frame whose facts are known. 1: it is
// w->entry; 0: there is none.
__noinline int acl_find(__u32 root, __u32 egress)
{
	struct acl_block *head = get_acl_block(root);
	struct acl_work *w = get_acl_work();
	__u32 n;

	if (!head || !w)
		return 0;
	w->root = root;
	w->first = root + acl_head(head, egress, ACL_HEAD_DIMENSIONS);
	n = acl_head(head, egress, ACL_HEAD_N_DIMENSIONS);
	w->dimensions = n & 0xffff;
	if (w->missing)
		w->dimensions += n >> 16;
	w->entries = acl_head(head, egress, ACL_HEAD_N_ENTRIES);
	w->dimension = w->vectors = w->ref = w->found = 0;
	w->left = acl_all(w->entries);
	bpf_loop(ACL_STEPS, acl_steps, &w, 0);
	if (!w->left)
		return 0;
	if (w->entries <= 64) {
		w->entry = __builtin_popcountll((w->left & -w->left) - 1);
		return 1;
	}
	w->word = ~0ULL;
	w->dimension = 0;
	bpf_loop(64 * ACL_DIMENSIONS, acl_search, &w, 0);
	return w->found && w->entry < w->entries;
}

// Counts the frame, and says what follows for it from the entry that was found.
__noinline int acl_conclude(__u32 root, __u32 egress, struct size *s)
{
	struct acl_block *b = get_acl_block(root);
	struct acl_work *w = get_acl_work();
	struct acl_count *c;
	__u32 at, counter, flags;

	if (!b || !w || !s)
		return 0;
	at = w->entry;
	b = get_acl_block(root + acl_head(b, egress, ACL_HEAD_ENTRIES) + (at >> 3));
	if (!b)
		return 0;
	at = (at & 7) * 2;
	flags = b->refs[at];
	counter = b->refs[at + 1];
	c = bpf_map_lookup_elem(&acl_counts, &counter);
	if (c) {
		c->packets += s->packets;
		c->bytes += s->bytes;
	}
	if (flags >> ACL_ENTRY_ASKS & w->missing)
		return DROP_ACL_UNREADABLE;
	if (!(flags & ACL_ENTRY_DENY))
		return 0;
	return egress ? DROP_ACL_EGRESS : DROP_ACL_INGRESS;
}

// 0, or why a frame may not pass where the ACL with this number is. 0 as a number: there is none.
__noinline int acl_refuses(struct __sk_buff *skb, __u32 number, __u32 egress, struct size *s)
{
	struct acl *a = bpf_map_lookup_elem(&acls, &number);
	struct acl_block *head;
	__u32 root;

	if (!a || !s)
		return 0;
	root = *(volatile __u32 *)&a->root; // once: a changed ACL has another
	head = get_acl_block(root);
	if (!root || !head || !acl_head(head, egress, ACL_HEAD_N_ENTRIES))
		return 0;
	read_facts(skb);
	return acl_find(root, egress) ? acl_conclude(root, egress, s) : 0;
}

// 0, or why a frame may not come in, or leave, by the binding.
static __always_inline int acl_denies(struct __sk_buff *skb, __u32 slot, __u32 egress, struct size *s)
{
	__u32 *number = bpf_map_lookup_elem(&policies, &slot);

	return number ? acl_refuses(skb, *number, egress, s) : 0;
}
