/* netmsg - an operation as the rtnetlink message that does it. */
#include "netmsg.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

#include "net.h"
#include "sha256.h"
#include "util.h"

void netmsg_stable_mac(const char *id, const char *link, unsigned char mac[6])
{
	static char machine[64];
	unsigned char digest[32];
	struct sha256 sha;

	if (!*machine)
		file_peek("/etc/machine-id", machine, sizeof(machine));
	sha256_init(&sha);
	sha256_add_str(&sha, "nixunits mac");
	sha256_add_str(&sha, machine);
	sha256_add_str(&sha, id);
	sha256_add_str(&sha, link);
	sha256_end(&sha, digest);
	memcpy(mac, digest, 6);
	mac[0] = (mac[0] & 0xfc) | 0x02; /* one station's, locally administered */
}

/* The declared MAC, or the one that link always has. */
static void put_mac(const struct session *s, const struct net_op *op, const char *link,
		    struct nlmsghdr *h)
{
	unsigned char mac[6];

	if (op->has_mac)
		memcpy(mac, op->mac, sizeof(mac));
	else
		netmsg_stable_mac(s->u->id, link, mac);
	mnl_attr_put(h, IFLA_ADDRESS, sizeof(mac), mac);
}

static void put_addr(struct nlmsghdr *h, uint16_t type, const struct addr *a)
{
	mnl_attr_put(h, type, addr_bits(a->family) / 8, a->bytes);
}

/* The container's end is made where it belongs, under its name: nothing is moved. */
static void put_peer(const struct session *s, const struct net_op *op, struct nlmsghdr *h)
{
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	struct nlattr *end = mnl_attr_nest_start(h, VETH_INFO_PEER);
	struct ifinfomsg *peer = mnl_nlmsg_get_payload_tail(h);

	peer->ifi_index = op->peer_index;
	h->nlmsg_len += MNL_ALIGN(sizeof(*peer));
	mnl_attr_put_strz(h, IFLA_IFNAME, op->iface->name);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, s->netns_fd);
	if (op->mtu)
		mnl_attr_put_u32(h, IFLA_MTU, op->mtu);
	put_mac(s, op, op->iface->name, h);
	mnl_attr_nest_end(h, end);
	mnl_attr_nest_end(h, data);
}

static void put_link_add(const struct session *s, const struct net_op *op, struct nl_batch *b)
{
	struct ifinfomsg m = { .ifi_index = op->index };
	struct nlmsghdr *h = nl_add(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	bool veth = streq(op->kind, "veth"), vlan = streq(op->kind, "vlan");

	mnl_attr_put_strz(h, IFLA_IFNAME, op->link);
	if (op->parent)
		mnl_attr_put_u32(h, IFLA_LINK, op->parent_index);
	if (op->parent && op->where == NET_HOST)
		mnl_attr_put_u32(h, IFLA_NET_NS_FD, s->netns_fd);
	if (veth) {
		/* The declared MAC is the other end's. */
		put_mac(s, &(struct net_op){ 0 }, op->link, h);
		if (op->mtu)
			mnl_attr_put_u32(h, IFLA_MTU, op->mtu);
	} else if (!vlan) {
		put_mac(s, op, op->link, h);
	}

	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, op->kind);
	if (veth) {
		put_peer(s, op, h);
	} else {
		struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);

		/* Private: a packet never turns round to another macvlan of that link. */
		if (vlan)
			mnl_attr_put_u16(h, IFLA_VLAN_ID, op->vlan);
		else
			mnl_attr_put_u32(h, IFLA_MACVLAN_MODE,
					 op->end == NET_END_MACVLAN ? MACVLAN_MODE_PRIVATE :
								      MACVLAN_MODE_BRIDGE);
		mnl_attr_nest_end(h, data);
	}
	mnl_attr_nest_end(h, info);
}

/* To the other namespace, under the name it has there and with an index known before. */
static void put_link_move(const struct session *s, const struct net_op *op, struct nl_batch *b)
{
	struct ifinfomsg m = { .ifi_index = op->index };
	struct nlmsghdr *h = nl_add(b, RTM_SETLINK, 0, &m, sizeof(m));
	bool in = op->where == NET_HOST;

	mnl_attr_put_u32(h, IFLA_NET_NS_FD, in ? s->netns_fd : s->host_fd);
	mnl_attr_put_strz(h, IFLA_IFNAME, in ? op->iface->name : op->link);
	if (op->peer_index)
		mnl_attr_put_u32(h, IFLA_NEW_IFINDEX, op->peer_index);
	if (!op->iface)
		mnl_attr_put_strz(h, IFLA_IFALIAS, "");
}

static void put_own_arp(struct nlmsghdr *h)
{
	struct nlattr *spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(h, AF_INET);
	struct nlattr *conf = mnl_attr_nest_start(h, IFLA_INET_CONF);

	mnl_attr_put_u32(h, IPV4_DEVCONF_ARP_IGNORE, 1);
	mnl_attr_put_u32(h, IPV4_DEVCONF_ARP_ANNOUNCE, 2);
	mnl_attr_put_u32(h, IPV4_DEVCONF_RP_FILTER, 2);
	mnl_attr_nest_end(h, conf);
	mnl_attr_nest_end(h, family);
	mnl_attr_nest_end(h, spec);
}

static void put_link_set(const struct session *s, const struct net_op *op, struct nl_batch *b)
{
	struct ifinfomsg m = { .ifi_index = op->index };
	const struct net_pair *p = session_pair(s, op);
	char alias[NET_ALIAS];

	if (op->set & NET_SET_UP) {
		m.ifi_change = IFF_UP;
		m.ifi_flags = op->up ? IFF_UP : 0;
	}
	struct nlmsghdr *h = nl_add(b, RTM_SETLINK, 0, &m, sizeof(m));
	if (op->set & NET_SET_ALIAS)
		mnl_attr_put_strz(h, IFLA_IFALIAS,
				  op->alias ? op->alias :
					      net_alias(s->u->id, op->iface->name, alias));
	if (op->set & NET_SET_MASTER)
		mnl_attr_put_u32(h, IFLA_MASTER, op->master_index);
	if (op->set & NET_SET_MTU)
		mnl_attr_put_u32(h, IFLA_MTU, op->mtu);
	/* A port comes with a MAC at random. */
	if (op->set & NET_SET_MAC || (p && op->iface->kind == IFACE_OVS &&
				      op->end == NET_END_GUEST && p->end[op->end].fresh))
		put_mac(s, op, op->link, h);
	if (op->set & NET_SET_ARP)
		put_own_arp(h);
}

static void put_address(const struct net_op *op, struct nl_batch *b)
{
	bool add = op->what == NET_ADDR_ADD;
	struct ifaddrmsg m = { .ifa_family = op->addr.family,
			       .ifa_prefixlen = op->addr.prefix,
			       .ifa_scope = RT_SCOPE_UNIVERSE,
			       .ifa_index = op->index };
	uint16_t flags = add ? NLM_F_CREATE | (op->replace ? NLM_F_REPLACE : NLM_F_EXCL) : 0;
	struct nlmsghdr *h = nl_add(b, add ? RTM_NEWADDR : RTM_DELADDR, flags, &m, sizeof(m));

	put_addr(h, IFA_LOCAL, &op->addr);
	put_addr(h, IFA_ADDRESS, op->via.family ? &op->via : &op->addr);
	if (add && op->no_dad)
		mnl_attr_put_u32(h, IFA_FLAGS, IFA_F_NODAD);
	if (add && op->protocol)
		mnl_attr_put_u8(h, IFA_PROTO, op->protocol);
}

static void put_route(const struct net_op *op, struct nl_batch *b)
{
	bool add = op->what == NET_ROUTE_ADD;
	struct rtmsg m = { .rtm_family = op->addr.family,
			   .rtm_dst_len = op->addr.prefix,
			   .rtm_table = RT_TABLE_MAIN,
			   .rtm_protocol = op->protocol,
			   .rtm_scope = !add		 ? RT_SCOPE_NOWHERE : /* whatever it is */
					op->via.family || op->type ? RT_SCOPE_UNIVERSE :
								     RT_SCOPE_LINK,
			   .rtm_type = op->type ? op->type : RTN_UNICAST,
			   .rtm_flags = op->onlink ? RTNH_F_ONLINK : 0 };
	uint16_t flags = add ? NLM_F_CREATE | (op->replace ? NLM_F_REPLACE : NLM_F_EXCL) : 0;

	struct nlmsghdr *h = nl_add(b, add ? RTM_NEWROUTE : RTM_DELROUTE, flags, &m, sizeof(m));
	if (op->addr.prefix)
		put_addr(h, RTA_DST, &op->addr);
	if (op->via.family)
		put_addr(h, RTA_GATEWAY, &op->via);
	if (!op->type)
		mnl_attr_put_u32(h, RTA_OIF, op->index);
	if (op->metric)
		mnl_attr_put_u32(h, RTA_PRIORITY, op->metric);
}

void netmsg_put(const struct session *s, const struct net_op *op, struct nl_batch *b)
{
	struct ifinfomsg link = { .ifi_index = op->index };

	switch (op->what) {
	case NET_PORT_DEL:
	case NET_PORT_ADD:
	case NET_NFT:
	case NET_SYSCTL:
	case NET_FORWARD:
		break; /* no messages */
	case NET_LINK_DEL:
		nl_add(b, RTM_DELLINK, 0, &link, sizeof(link));
		break;
	case NET_LINK_ADD:
		put_link_add(s, op, b);
		break;
	case NET_LINK_MOVE:
		put_link_move(s, op, b);
		break;
	case NET_LINK_SET:
		put_link_set(s, op, b);
		break;
	case NET_ADDR_ADD:
	case NET_ADDR_DEL:
		put_address(op, b);
		break;
	case NET_ROUTE_ADD:
	case NET_ROUTE_DEL:
		put_route(op, b);
		break;
	}
}
