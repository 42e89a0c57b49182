// SPDX-License-Identifier: GPL-2.0-or-later
/* The maps and the settings themselves, and the licence that the helpers ask for. */
#include "maps.h"

struct tasks_map tasks SEC(".maps");
struct seats_map seats SEC(".maps");
struct profiles_map profiles SEC(".maps");
struct heads_map heads SEC(".maps");
struct pairs_map pairs SEC(".maps") = {};
struct free_slots_map free_slots SEC(".maps");
struct late_map late SEC(".maps");
struct heats_map heats SEC(".maps");
struct rules_map rules SEC(".maps");
struct allowed_users_map allowed_users SEC(".maps");
struct targets_map targets SEC(".maps");
struct allowed_cgroups_map allowed_cgroups SEC(".maps");
struct delayed_map delayed SEC(".maps");
struct events_map events SEC(".maps");
struct stops_map stops SEC(".maps");
struct counters_map counters SEC(".maps");

struct ebph_settings settings SEC(".data");

/* Written by the daemon before it loads the programs: see second.h. */
const volatile bool preemptible = false;
const volatile bool has_cgroups = false;
const volatile __u32 seats_shift = 32 - EBPH_SEAT_PAIRS_MIN_BITS;
const volatile bool lookups_fail = false;

char LICENSE[] SEC("license") = "GPL";
