// SPDX-License-Identifier: Apache-2.0
// Where captures look at frames. The programs are compiled a second time with CAPTURE, and those take the places
// of the others while somebody captures (capture.go). In the others nothing is left of the calls.
#pragma once

#include "captured.h"

#ifdef CAPTURE
int capture(struct __sk_buff *skb, __u32 kind, __u32 what, __u32 vni); // 0
#else
#define capture(skb, kind, what, vni) ((void)0) // what is said of the frame is not even looked at
#endif
