// SPDX-License-Identifier: GPL-2.0-or-later
/* The methods of the control socket, in one table. */
#include <string.h>

#include "enforcer/control_parts.h"
#include "enforcer/util.h"

/* The description is the file itself; Makefile has its dependency. */
__asm__(".pushsection .rodata\n"
	".global control_interface\n"
	"control_interface:\n"
	".incbin \"enforcer/" INTERFACE ".varlink\"\n"
	".byte 0\n"
	".popsection");

/* ---- org.varlink.service --------------------------------------------------------------------- */

static const char service_interface[] =
	"# Every Varlink service has this.\n"
	"interface org.varlink.service\n"
	"\n"
	"method GetInfo() -> (\n"
	"	vendor: string,\n"
	"	product: string,\n"
	"	version: string,\n"
	"	url: string,\n"
	"	interfaces: []string\n"
	")\n"
	"\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n"
	"error PermissionDenied ()\n"
	"error ExpectedMore ()\n";

static const struct {
	const char *name, *description;
} interfaces[] = {
	{"org.varlink.service", service_interface},
	{INTERFACE, control_interface},
};

static void method_info(struct control *control, struct client *client)
{
	json_t *names = json_array();

	(void)control;
	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		json_array_append_new(names, json_string(interfaces[i].name));
	client_reply(client,
		     json_pack("{s:s, s:s, s:s, s:s, s:o}", "vendor", "ebph", "product", "ebphd",
			       "version", EBPH_VERSION, "url", "", "interfaces", names),
		     false);
}

static void method_description(struct control *control, struct client *client)
{
	const char *name = client_string(client, "interface");

	(void)control;
	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++) {
		if (strcmp(interfaces[i].name, name) != 0)
			continue;
		client_reply(client, json_pack("{s:s}", "description", interfaces[i].description),
			     false);
		return;
	}
	client_fail(client, SERVICE_ERROR(InterfaceNotFound),
		    json_pack("{s:s}", "interface", name));
}

/* ---- all of them --------------------------------------------------------------------------------
 */

static const struct method {
	const char *name;
	method_fn *run;
	/* CHANGES, or tells more than is for everyone: root's alone. MAY_CHANGE: with a parameter.
	 */
	enum { ASKS = 0, CHANGES = 1, NEEDS_MORE = 2, MAY_CHANGE = 4 } how;
	struct parameter parameters[5];
} methods[] = {
	{"org.varlink.service.GetInfo", method_info, ASKS, {{0}}},
	{"org.varlink.service.GetInterfaceDescription",
	 method_description,
	 ASKS,
	 {{"interface", JSON_STRING, true}}},
	{INTERFACE ".Status", method_status, ASKS, {{0}}},
	{INTERFACE ".ListProcesses",
	 method_processes,
	 NEEDS_MORE,
	 {{"threads", JSON_TRUE, false}, {"delayed", JSON_TRUE, false}, {"hot", JSON_TRUE, false}}},
	{INTERFACE ".ListProfiles", method_profiles, NEEDS_MORE, {{"state", JSON_STRING, false}}},
	{INTERFACE ".GetProfile", method_profile, ASKS, {{"name", JSON_STRING, true}}},
	{INTERFACE ".ListPairs", method_pairs, NEEDS_MORE, {{"name", JSON_STRING, true}}},
	{INTERFACE ".ChangeProfile",
	 method_change,
	 CHANGES,
	 {{"name", JSON_STRING, true}, {"verb", JSON_STRING, true}}},
	{INTERFACE ".ExportProfile",
	 method_export,
	 CHANGES | NEEDS_MORE,
	 {{"name", JSON_STRING, true}}},
	{INTERFACE ".ImportProfile",
	 method_import,
	 CHANGES,
	 {{"data", JSON_STRING, true},
	  {"continues", JSON_TRUE, false},
	  {"name", JSON_STRING, false}}},
	{INTERFACE ".Explain",
	 method_explain,
	 ASKS,
	 {{"pid", JSON_INTEGER, false},
	  {"name", JSON_STRING, false},
	  {"event", JSON_INTEGER, false}}},
	{INTERFACE ".Release", method_release, CHANGES, {{"pid", JSON_INTEGER, false}}},
	{INTERFACE ".Mode", method_mode, MAY_CHANGE, {{"mode", JSON_STRING, false}}},
	{INTERFACE ".SetOption",
	 method_option,
	 CHANGES,
	 {{"section", JSON_STRING, true},
	  {"name", JSON_STRING, true},
	  {"value", JSON_STRING, true}}},
	{INTERFACE ".Reload", method_reload, CHANGES, {{0}}},
	{INTERFACE ".Support", method_support, ASKS, {{0}}},
	{INTERFACE ".ListEvents",
	 method_events,
	 NEEDS_MORE,
	 {{"follow", JSON_TRUE, false},
	  {"names", JSON_ARRAY, false},
	  {"path", JSON_STRING, false},
	  {"pid", JSON_INTEGER, false}}},
};

const char *method_name(size_t i)
{
	return i < ARRAY_SIZE(methods) ? methods[i].name : NULL;
}

static bool interface_is_known(const char *method, size_t bytes)
{
	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		if (strlen(interfaces[i].name) == bytes &&
		    !memcmp(interfaces[i].name, method, bytes))
			return true;
	return false;
}

/* "org.example.Interface.Method": which of the two do we not know? */
static void unknown_fail(struct client *client, const char *method)
{
	const char *dot = strrchr(method, '.');
	size_t bytes = dot ? (size_t)(dot - method) : 0;

	if (interface_is_known(method, bytes))
		client_fail(client, SERVICE_ERROR(MethodNotFound),
			    json_pack("{s:s}", "method", method));
	else
		client_fail(client, SERVICE_ERROR(InterfaceNotFound),
			    json_pack("{s:s%}", "interface", method, bytes));
}

/* Does the call, as it is, change anything? With a parameter it may. */
static bool is_change(const struct method *method, const struct client *client)
{
	return (method->how & CHANGES) ||
	       ((method->how & MAY_CHANGE) && client_string(client, method->parameters[0].name));
}

void method_run(struct control *control, struct client *client)
{
	const struct method *method = NULL;
	const char *wrong;

	for (size_t i = 0; i < ARRAY_SIZE(methods) && !method; i++)
		if (!strcmp(methods[i].name, client->call.method))
			method = &methods[i];
	if (!method) {
		unknown_fail(client, client->call.method);
		return;
	}
	wrong = call_check(&client->call, method->parameters);
	if (wrong)
		client_fail(client, SERVICE_ERROR(InvalidParameter),
			    json_pack("{s:s}", "parameter", wrong));
	else if (!client->may_change && is_change(method, client))
		client_fail(client, SERVICE_ERROR(PermissionDenied), json_object());
	else if (client->call.upgrade)
		client_fail(client, SERVICE_ERROR(MethodNotImplemented),
			    json_pack("{s:s}", "method", method->name));
	else if ((method->how & NEEDS_MORE) && (!client->call.more || client->call.oneway))
		client_fail(client, SERVICE_ERROR(ExpectedMore), json_object());
	else
		method->run(control, client);
}

void client_fail_errno(struct client *client, int r)
{
	client_fail(client, ERROR(Failed), json_pack("{s:s}", "reason", strerror(-r)));
}
