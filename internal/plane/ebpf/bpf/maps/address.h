// SPDX-License-Identifier: Apache-2.0
// What all tables have in common.
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define ETH_ALEN 6

// An IP address as IPv6 has it; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).
struct address {
	__be32 word[4];
};
