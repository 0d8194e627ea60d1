/* unit - the unit document: everything about how to run one container.
 *
 * nix produces it, nothing else does; it is read strictly. An unknown field, a
 * wrong type, a bad address, a name the kernel would refuse: each is an error
 * with the JSON path and the value. What has been parsed needs no more checks.
 */
#ifndef NU_UNIT_H
#define NU_UNIT_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "addr.h"
#include "say.h"

#define UNIT_VERSION 1
#define UNIT_LIMIT (4 << 20) /* bytes of a unit document */
#define ID_MAX 64

/* An id is [a-z0-9]([a-z0-9-]*[a-z0-9])?, at most 64 characters: it is a host
 * name, a machine name, a path component and part of a systemd unit name.
 * Return 0, or -1 and e (NU_USAGE). */
int id_check(const char *id, struct err *e);

struct addrs {
	struct addr *v;
	size_t n;
};

/* A set of VLAN ids: a bit for each. */
#define VLAN_SET 512
bool vlan_in(const unsigned char *set, long vlan);

enum iface_kind {
	IFACE_VETH,    /* a pair: one end here, one on the host */
	IFACE_OVS,     /* an Open vSwitch internal port */
	IFACE_BRIDGE,  /* a veth whose host end is a port of a Linux bridge */
	IFACE_VLAN,    /* an 802.1q link on a host interface */
	IFACE_MACVLAN, /* a macvlan on a host interface */
	IFACE_HOST,    /* an existing host interface, moved in */
};

const char *iface_kind_name(enum iface_kind kind);

struct iface {
	const char *name; /* inside the container */
	enum iface_kind kind;
	struct addrs ip4, ip6, host_ip4, host_ip6;
	const char *host_bridge; /* enslaves the host end; NULL: none */
	const char *parent;	 /* the host's link that a vlan or macvlan is on */
	long vlan;		 /* the id of a vlan; 0: none */
	long mtu;                /* 0: the kernel's default */
	unsigned char mac[6];
	bool has_mac;
	struct {
		const char *bridge;
		long vlan; /* 0: untagged */
		unsigned char *trunks; /* the VLANs it takes tagged (vlan_in); NULL: not a trunk */
	} ovs;
	struct {
		bool present;
		long vrid; /* VRRP router id, for the MAC 00:00:5e:00:02:XX; 0: none */
		struct addrs ip4, ip6;
	} macvlan;
};

struct bind {
	const char *source; /* absolute, on the host */
	const char *target; /* absolute, in the container */
	bool read_only;
};

/* A static route of the container's: to a network, by a next hop, by an interface, or both. */
struct route {
	struct addr to;
	struct addr via;  /* family 0: on the link of the interface */
	const char *link; /* the interface; NULL: the one that the next hop is on */
};

/* A port of the host that leads to one of the container. */
struct forward {
	bool udp; /* else TCP */
	struct addr address; /* the host's, that it is for; family 0: any */
	long host_port, port;
};

struct sysctl {
	const char *key, *value;
};

/* What it may use of the host. */
struct limits {
	long memory; /* bytes, 0: no limit */
	long pids;   /* processes and threads, 0: no limit */
	long cpu;    /* percent of one CPU, 0: no limit */
	struct rlimits {
		int resource; /* RLIMIT_*, of getrlimit(2) */
		const char *name; /* "nofile" */
		long soft, hard;  /* -1: unlimited */
	} *v;
	size_t n;
};

struct unit {
	const char *id;
	const char *system, *init; /* store paths */
	const char *os_name, *os_version;
	const char **caps; /* allowed, "CAP_NET_ADMIN", ended by NULL */
	size_t n_caps;
	bool private_users, auto_start;
	struct bind *binds;
	size_t n_binds;
	struct {
		bool private;
		const char *netns; /* path of a namespace to join, or NULL */
		struct iface *ifaces;
		size_t n_ifaces;
		struct addr route4, route6; /* default routes; family 0: none */
		const char *route6_link;    /* of fe80::1%wan; NULL: not named */
		struct route *routes;       /* besides the default ones */
		size_t n_routes;
		struct forward *forwards;
		size_t n_forwards;
		bool dns_copy;              /* the host's resolvers */
		struct addrs dns;           /* these resolvers; none and !dns_copy: no file */
		const char *hosts; /* its own lines of hosts(5), wanted with the names of all
				    * units; NULL: the names are not wanted */
		const char *nft;
	} net;
	struct sysctl *sysctls;
	size_t n_sysctls;
	struct limits limits;
	const char *extra, *ready_check;
	const char **nspawn_args; /* ended by NULL */

	cJSON *json; /* owns every string above */
};

/* Parses a unit document. NULL and e (NU_USAGE) when it isn't one. */
struct unit *unit_parse(const char *text, size_t n, struct err *e);
/* From a file; dirfd as for openat(2). */
struct unit *unit_load_file(int dirfd, const char *path, struct err *e);
void unit_free(struct unit *u);
void cleanup_unit(struct unit **u);
#define autounit __attribute__((cleanup(cleanup_unit)))

#endif
