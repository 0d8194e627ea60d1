/* netovs - a unit's ports of Open vSwitch, through ovs-vsctl(8). */
#include "netovs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "proc.h"
#include "util.h"

/* ovs-vsctl waits until the switch has done what the database says, so as long as the
 * daemon is down: bounded by this. It ends itself then, by SIGALRM. */
#define WAIT "--timeout=10"
#define TIMED_OUT (128 + 14)

/* Quoted, since "," and "=" would mean something in a map; '"' and '\' can't be in an
 * id or in the name of an interface. */
#define ID_KEY "external_ids:nixunits-unit=\"%s\""
#define IFACE_KEY "external_ids:nixunits-interface=\"%s\""

bool ovs_present(void)
{
	const char *dir = getenv("OVS_RUNDIR");
	autofree char *path = xfmt("%s/db.sock", dir && *dir ? dir : "/var/run/openvswitch");

	return access(path, F_OK) == 0;
}

/* What ovs-vsctl says is one line, "ovs-vsctl: why". */
static int run(struct strv *args, struct buf *out, bool *silent, struct err *e)
{
	autobuf struct buf said = { 0 };
	int status = proc_capture(args->v, out, &said, e);

	if (status < 0)
		return -1;
	if (status == 0)
		return 0;
	*silent = status == TIMED_OUT;
	if (*silent)
		return err_set(e, NU_FAILED, "Open vSwitch did not answer within 10 s: is "
					     "ovs-vswitchd running?");
	if (said.n)
		said.p[strcspn(said.p, "\n")] = '\0';
	return err_set(e, NU_FAILED, "%s", said.n ? said.p : "ovs-vsctl failed");
}

/* A value of OVSDB: a set with one member is written as that member. */
static long one_number(const cJSON *v)
{
	return cJSON_IsNumber(v) ? v->valueint : 0;
}

/* ["set", [10, 20]], or 10 */
static void number_set(const cJSON *v, unsigned char set[VLAN_SET])
{
	const cJSON *one;

	if (cJSON_IsNumber(v) && v->valueint >= 0 && v->valueint < VLAN_SET * 8)
		set[v->valueint / 8] |= 1 << v->valueint % 8;
	cJSON_ArrayForEach(one, cJSON_GetArrayItem(v, 1))
		number_set(one, set);
}

void ovs_trunks_text(const unsigned char *trunks, struct buf *b)
{
	const char *comma = "";

	for (long vlan = 0; trunks && vlan < VLAN_SET * 8; vlan++)
		if (vlan_in(trunks, vlan)) {
			buf_addf(b, "%s%ld", comma, vlan);
			comma = ",";
		}
}

bool ovs_same_trunks(const struct ovs_port *port, const unsigned char *trunks)
{
	static const unsigned char none[VLAN_SET];

	return memcmp(port->trunks, trunks ? trunks : none, VLAN_SET) == 0;
}

static const char *map_get(const cJSON *v, const char *key)
{
	const cJSON *pair;

	cJSON_ArrayForEach(pair, cJSON_GetArrayItem(v, 1))
		if (streq(cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0)), key))
			return cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1));
	return NULL;
}

/* ["set", []] where there is none. */
static void copy_mode(char dst[16], const cJSON *v)
{
	const char *mode = cJSON_GetStringValue(v);

	snprintf(dst, 16, "%s", mode ? mode : "");
}

static void copy_name(char dst[IF_NAMESIZE], const char *name)
{
	snprintf(dst, IF_NAMESIZE, "%s", name ? name : "");
}

/* ["uuid", "..."] */
static bool has_uuid(const cJSON *set, const char *uuid)
{
	const cJSON *one;

	if (streq(cJSON_GetStringValue(cJSON_GetArrayItem(set, 0)), "uuid"))
		return streq(cJSON_GetStringValue(cJSON_GetArrayItem(set, 1)), uuid);
	cJSON_ArrayForEach(one, cJSON_GetArrayItem(set, 1))
		if (streq(cJSON_GetStringValue(cJSON_GetArrayItem(one, 1)), uuid))
			return true;
	return false;
}

/* Two tables, each a line of JSON; the columns are in the order asked for. */
static int parse_ports(const struct buf *text, struct ovs_port **v, size_t *n, struct err *e)
{
	const char *second = text->p ? strchr(text->p, '\n') : NULL;
	const cJSON *row, *bridge;

	if (!second)
		return err_set(e, NU_FAILED, "ovs-vsctl: an answer cut short");
	autojson cJSON *ports = json_parse(text->p, second - text->p, e);
	autojson cJSON *bridges = ports ? json_parse(second, strlen(second), e) : NULL;
	if (!bridges)
		return err_wrap(e, "ovs-vsctl: ");
	cJSON_ArrayForEach(row, cJSON_GetObjectItem(ports, "data")) {
		const char *uuid = cJSON_GetStringValue(
			cJSON_GetArrayItem(cJSON_GetArrayItem(row, 0), 1));
		const cJSON *ids = cJSON_GetArrayItem(row, 3);
		struct ovs_port p = { .vlan = one_number(cJSON_GetArrayItem(row, 2)) };

		number_set(cJSON_GetArrayItem(row, 4), p.trunks);
		copy_mode(p.mode, cJSON_GetArrayItem(row, 5));
		copy_name(p.name, cJSON_GetStringValue(cJSON_GetArrayItem(row, 1)));
		copy_name(p.iface, map_get(ids, "nixunits-interface"));
		cJSON_ArrayForEach(bridge, cJSON_GetObjectItem(bridges, "data"))
			if (uuid && has_uuid(cJSON_GetArrayItem(bridge, 1), uuid))
				copy_name(p.bridge,
					  cJSON_GetStringValue(cJSON_GetArrayItem(bridge, 0)));
		*v = xrealloc(*v, *n + 1, sizeof(p));
		(*v)[(*n)++] = p;
	}
	return 0;
}

int ovs_ports(const char *id, struct ovs_port **v, size_t *n, struct err *e)
{
	autostrv struct strv args = { 0 };
	autobuf struct buf out = { 0 };
	bool silent;

	*v = NULL;
	*n = 0;
	strv_add(&args, "ovs-vsctl");
	strv_add(&args, WAIT);
	strv_add(&args, "--format=json");
	strv_add(&args, "--");
	strv_add(&args, "--columns=_uuid,name,tag,external_ids,trunks,vlan_mode");
	strv_add(&args, "find");
	strv_add(&args, "Port");
	strv_addf(&args, ID_KEY, id);
	strv_add(&args, "--");
	strv_add(&args, "--columns=name,ports");
	strv_add(&args, "list");
	strv_add(&args, "Bridge");
	return run(&args, &out, &silent, e) < 0 ? -1 : parse_ports(&out, v, n, e);
}

static void add_vlans(struct strv *args, const struct net_op *op)
{
	autobuf struct buf trunks = { 0 };

	if (op->vlan)
		strv_addf(args, "tag=%ld", op->vlan);
	ovs_trunks_text(op->trunks, &trunks);
	if (trunks.n)
		strv_addf(args, "trunks=%s", trunks.p);
	if (op->mode)
		strv_addf(args, "vlan_mode=%s", op->mode);
}

static void add_port(struct strv *args, const char *id, const struct net_op *op)
{
	strv_add(args, "--");
	strv_add(args, "add-port");
	strv_add(args, op->parent);
	strv_add(args, op->link);
	add_vlans(args, op);
	strv_addf(args, ID_KEY, id);
	strv_addf(args, IFACE_KEY, op->iface->name);
	strv_add(args, "--");
	strv_add(args, "set");
	strv_add(args, "Interface");
	strv_add(args, op->link);
	strv_add(args, "type=internal");
}

static void set_vlans(struct strv *args, const struct net_op *op)
{
	strv_add(args, "--");
	strv_add(args, "clear");
	strv_add(args, "Port");
	strv_add(args, op->link);
	strv_add(args, "tag");
	strv_add(args, "trunks");
	strv_add(args, "vlan_mode");
	if (!op->vlan && !op->trunks && !op->mode)
		return;
	strv_add(args, "--");
	strv_add(args, "set");
	strv_add(args, "Port");
	strv_add(args, op->link);
	add_vlans(args, op);
}

int ovs_change(const char *id, const struct net_op *v, size_t n, bool *silent, struct err *e)
{
	autostrv struct strv args = { 0 };
	autobuf struct buf out = { 0 };

	strv_add(&args, "ovs-vsctl");
	strv_add(&args, *silent ? "--no-wait" : WAIT);
	for (size_t i = 0; i < n; i++) {
		if (v[i].what == NET_PORT_DEL) {
			strv_add(&args, "--");
			strv_add(&args, "--if-exists");
			strv_add(&args, "del-port");
			strv_add(&args, v[i].link);
		} else if (v[i].replace) {
			set_vlans(&args, &v[i]);
		} else {
			add_port(&args, id, &v[i]);
		}
	}
	return run(&args, &out, silent, e);
}
