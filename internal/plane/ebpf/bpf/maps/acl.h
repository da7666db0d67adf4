// SPDX-License-Identifier: Apache-2.0
// Access control lists.
#pragma once

#include "address.h"

// The number of the ACL of a binding.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32); // slot
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} policies SEC(".maps");

// The program of an ACL is immutable once it is named here: a changed ACL has another, so that a
// frame is asked by the old one or the new one whole.
struct acl {
	__u32 root; // its first block; 0: there is none
	__u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 14);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32); // number of an ACL, from 1
	__type(value, struct acl);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} acls SEC(".maps");

// A part of a program: package acl says what is in it. Those of a program are together, in their
// order; block 0 is nobody's.
struct acl_block {
	union {
		__u32 refs[16];
		__u64 words[8];
	};
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct acl_block);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} acl_blocks SEC(".maps");

// Where facts are in a key. Package acl, which makes programs and runs them, too, has the same numbers here and
// below: a test of it looks.
enum acl_key {
	ACL_KEY_ETHERTYPE = 0,
	ACL_KEY_FAMILY = 2,
	ACL_KEY_KIND = 3,
	ACL_KEY_PROTOCOL = 4,
	ACL_KEY_ICMP = 5,
	ACL_KEY_PORTS = 8,
	ACL_KEY_TCP_FLAGS = 12,
	ACL_KEY_MACS = 16,
	ACL_KEY_SOURCE = 32,
	ACL_KEY_DESTINATION = 48,
};

enum acl_kind {
	ACL_KIND_PORTS = 1 << 0,
	ACL_KIND_TCP = 1 << 1,
	ACL_KIND_ICMP = 1 << 2,
};

enum acl_missing {
	ACL_MISSING_TRANSPORT = 1,
	ACL_MISSING_PROTOCOL = 3, // with what is behind it
	ACL_MISSING_IP = 7,
};

enum acl_size {
	ACL_EXTENSIONS = 12, // headers of IPv6 that are gone past
	ACL_DIMENSIONS = 64,
};

// A reference: its kind in the uppermost two bits; then the number of a block, or of a word.
enum acl_ref {
	ACL_REF_COMPARE = 1,
	ACL_REF_LEAF = 2,
	ACL_REF_BLOCK = 0x7fffff,
	ACL_REF_WORD = 0x3fffffff,
};

// Where the header of a program says of a direction: the first block of its dimensions, their
// number, the first block of its entries, their number.
enum acl_head {
	ACL_HEAD_INGRESS = 4,
	ACL_HEAD_EGRESS = 8,

	ACL_HEAD_DIMENSIONS = 0,
	ACL_HEAD_N_DIMENSIONS = 1, // from bit 16 on: of those for frames that miss something
	ACL_HEAD_ENTRIES = 2,
	ACL_HEAD_N_ENTRIES = 3,
};

enum acl_entry_flags {
	ACL_ENTRY_DENY = 1 << 0,
	ACL_ENTRY_ASKS = 8, // from this bit on: what must not be missing
};

// Frames that an entry has decided.
struct acl_count {
	__u64 packets, bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32); // its programs name it; 0 is nobody's
	__type(value, struct acl_count);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} acl_counts SEC(".maps");

// What is known of the frame under way, for the decision about it.
struct acl_work {
	__u8 key[64]; // facts.go
	__u8 part[24]; // of the frame
	__u32 off, next;
	__u64 left, word;
	__u32 missing, root, first, dimensions, dimension, vectors, ref, entry, found, entries;
	__u32 vector[ACL_DIMENSIONS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct acl_work);
} acl_work SEC(".maps");
