// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Profiles as files of somebody else: the bytes of a file go over the socket, here no path is
 * opened that a client names. The disk is the saver's, and the client waits for it without us.
 */
#include <string.h>

#include "enforcer/base64.h"
#include "enforcer/control_parts.h"
#include "enforcer/log.h"
#include "enforcer/restore.h"
#include "enforcer/util.h"

#define PART_BYTES (30u * 1024) /* of a file in one reply or call: 40 kB as text */

/* A file that is on its way to a client, or from one. */
struct exchange {
	struct control *control;
	struct keep *keep;
	struct client *client; /* NULL: it has gone, and so may have the control */
	bool in_errand;	       /* then that frees it */
	struct image image;
	char *file;    /* its name in the store */
	uint8_t *data; /* NULL: not read yet */
	size_t bytes;
	struct ebph_exe exe; /* whose profile on disk it is about, if .has_record */
	uint64_t machine;
	bool has_record;
};

static void exchange_free(struct exchange *exchange)
{
	image_clear(&exchange->image);
	free(exchange->file);
	free(exchange->data);
	free(exchange);
}

/* The client has gone, or has its answer. */
static void client_leaves(void *work)
{
	struct exchange *exchange = work;

	exchange->client = NULL;
	if (!exchange->in_errand)
		exchange_free(exchange);
}

static void errand_ends(void *context)
{
	struct exchange *exchange = context;

	exchange->in_errand = false;
	if (!exchange->client)
		exchange_free(exchange);
}

static struct exchange *exchange_new(struct control *control, struct client *client)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (!exchange) {
		client_fail_errno(client, -ENOMEM);
		return NULL;
	}
	exchange->control = control;
	exchange->keep = control->keep;
	exchange->client = client;
	client->work = exchange;
	client->work_free = client_leaves;
	return exchange;
}

static void record_set(struct exchange *exchange, const struct record *record)
{
	exchange->exe = record->exe;
	exchange->machine = record->machine;
	exchange->has_record = true;
}

static struct record *record_get(const struct exchange *exchange)
{
	return exchange->has_record ? catalog_find_of(&exchange->keep->catalog, &exchange->exe,
						      exchange->machine) :
				      NULL;
}

/* Answers that it did not come to it; @reason: of the saver, or "". */
static void exchange_fail(struct exchange *exchange, int error, const char *reason)
{
	struct client *client = exchange->client;

	if (!client)
		return;
	if (error == -EOPNOTSUPP)
		reason = "profiles are not kept on disk here (state_dir), and no program in memory "
			 "has this path";
	else if (error == -EPIPE)
		reason = "the process that reads and writes profiles is gone: try again in a while";
	else if (error == -EINVAL)
		reason = "it is being loaded, or is just changing: try again in a moment";
	else if (error == -EDQUOT)
		reason = "memory_limit leaves no room for it";
	else if (error == -E2BIG)
		reason = "together they are more pairs than a profile can have";
	else if (error == -ESTALE)
		reason = "the profile has changed its place: try again";
	else if (error == -EEXIST)
		reason = "the same file of its machine is known here by another path: delete that "
			 "profile first";
	if (*reason)
		client_fail(client, ERROR(Refused),
			    json_pack("{s:o}", "reason", json_text(reason)));
	else
		client_fail_errno(client, error);
}

static int errand_begin_for(struct exchange *exchange,
			    int (*prepare)(void *context, struct saver_job *job),
			    void (*done)(void *context, const struct saver_job *job))
{
	struct errand errand = {
		.prepare = prepare, .done = done, .end = errand_ends, .context = exchange};
	int r;

	exchange->in_errand = true;
	r = keep_errand(exchange->keep, &errand);
	if (!r)
		return 0;
	exchange->in_errand = false;
	exchange_fail(exchange, r, "");
	return r;
}

/* ---- export ---------------------------------------------------------------------------------- */

static void step_export(struct control *control, struct client *client)
{
	const struct exchange *exchange = client->work;
	size_t at = client->cursor, left = exchange->bytes - at;
	size_t n = left < PART_BYTES ? left : PART_BYTES;
	AUTO_FREE char *text = base64_text(exchange->data + at, n);

	(void)control;
	if (!text) {
		client_fail_errno(client, -ENOMEM);
		return;
	}
	client->cursor += n;
	client_reply(client, json_pack("{s:s, s:s}", "file", exchange->file, "data", text),
		     n < left);
}

/* The image as bytes, and on they go. */
static int export_send(struct exchange *exchange)
{
	char name[STORE_NAME_MAX];
	void *data;
	int r = image_encode(&exchange->image, &data, &exchange->bytes);

	if (r)
		return r;
	exchange->data = data;
	store_name(&exchange->image, name);
	exchange->file = strdup(name);
	if (!exchange->file)
		return -ENOMEM;
	exchange->client->step = step_export;
	return 0;
}

static int export_prepare(void *context, struct saver_job *job)
{
	struct exchange *exchange = context;
	const struct record *record = record_get(exchange);
	struct client *client = exchange->client;

	if (!client)
		return -ECANCELED;
	if (!record || !record->file || record->slot) {
		exchange_fail(exchange, -ESTALE, "");
		control_push(exchange->control, client);
		return -ESTALE;
	}
	job->op = SAVER_LOAD;
	snprintf(job->name, sizeof(job->name), "%s", record->file);
	return 0;
}

static void export_done(void *context, const struct saver_job *job)
{
	struct exchange *exchange = context;
	struct client *client = exchange->client;
	const char *wrong = "";
	int r = job->error;

	if (!client)
		return;
	if (!r)
		r = image_decode(job->data, job->bytes, &exchange->image, &wrong);
	if (!r)
		r = export_send(exchange);
	if (r)
		exchange_fail(exchange, r, *job->reason ? job->reason : wrong);
	control_push(exchange->control, client);
}

void method_export(struct control *control, struct client *client)
{
	struct record *record = NULL;
	uint32_t slot = profile_select(control, client, &record);
	struct exchange *exchange;
	struct ebph_profile head;
	int r;

	if (!slot && !record)
		return;
	exchange = exchange_new(control, client);
	if (!exchange)
		return;
	if (record) {
		record_set(exchange, record);
		errand_begin_for(exchange, export_prepare, export_done);
		return;
	}
	r = keep_image(control->keep, slot, &head, &exchange->image);
	if (!r)
		r = export_send(exchange);
	if (r)
		exchange_fail(exchange, r, "");
}

/* ---- import ---------------------------------------------------------------------------------- */

static void import_tell(const struct exchange *exchange, const json_t *profile, bool united)
{
	const struct client *client = exchange->client;
	const char *path = json_string_value(json_object_get(profile, "path"));
	const char *verb = client_string(client, "name") ? "merge" : "import";

	log_info("control: %s of a profile of %s by process %d (uid %u)", verb, path, client->pid,
		 client->uid);
	event_self(exchange->control->reload.sink, "operator",
		   json_pack("{s:s, s:s, s:b, s:i, s:i}", "verb", verb, "path", path, "united",
			     united, "by_pid", (int)client->pid, "by_uid", (int)client->uid));
}

static void import_answer(struct exchange *exchange, json_t *profile, bool united)
{
	struct client *client = exchange->client;

	if (client)
		import_tell(exchange, profile, united);
	if (client)
		client_reply(client, json_pack("{s:O, s:b}", "profile", profile, "united", united),
			     false);
	json_decref(profile);
}

static void import_live(struct exchange *exchange, uint32_t slot)
{
	int r = keep_unite(exchange->keep, slot, &exchange->image);

	if (r)
		exchange_fail(exchange, r, "");
	else
		import_answer(exchange, profile_object(exchange->control, slot), true);
}

/* Where the profile is now: in memory, in a file, or nowhere. Return: 0; -ESTALE; -EEXIST. */
static int import_place(struct exchange *exchange, uint32_t *ret_slot, struct record **ret_record)
{
	struct record *record = record_get(exchange), *current = NULL, *other;
	const struct image *image = &exchange->image;
	const char *path = image->path;

	if (exchange->has_record && (!record || !(record->slot || record->file)))
		return -ESTALE;
	if (record && record->program)
		path = record->program->path;
	*ret_slot = record ? record->slot : 0;
	/* What came from elsewhere becomes another profile when its program runs. */
	if (!record || (!*ret_slot && record->machine != exchange->keep->catalog.machine))
		*ret_slot = keep_current(exchange->keep, path, &current);
	*ret_record = record ? record : current;
	if (*ret_slot || *ret_record)
		return 0;
	/* It would be overwritten, or its path forgotten: both are found by the same key. */
	other = catalog_find_of(&exchange->keep->catalog, &image->exe, image->machine);
	return other && other->file ? -EEXIST : 0;
}

static int import_prepare(void *context, struct saver_job *job)
{
	struct exchange *exchange = context;
	struct client *client = exchange->client;
	struct record *record = NULL;
	uint32_t slot = 0;
	int r = client ? import_place(exchange, &slot, &record) : 0;

	if (!client)
		return -ECANCELED;
	if (r)
		exchange_fail(exchange, r, "");
	else if (slot) /* its program has run meanwhile */
		import_live(exchange, slot);
	if (r || slot) {
		control_push(exchange->control, client);
		return -EALREADY;
	}
	if (record)
		record_set(exchange, record);
	job->op = record ? SAVER_UNITE : SAVER_SAVE;
	snprintf(job->name, sizeof(job->name), "%s", record ? record->file : exchange->file);
	memcpy(job->data, exchange->data, exchange->bytes);
	job->bytes = exchange->bytes;
	return 0;
}

/* What is in the file now, as the catalog has it. Return: its record; NULL: no memory. */
static struct record *record_update(struct exchange *exchange, const struct saver_job *job)
{
	IMAGE_CLEANUP struct image image = {0};
	struct catalog *catalog = &exchange->keep->catalog;
	struct record *record = record_get(exchange);
	const char *wrong;

	if (image_decode(job->data, job->bytes, &image, &wrong))
		return NULL;
	if (!record && !exchange->has_record)
		record = catalog_add(catalog, &image.exe, image.machine, image.path);
	if (!record || ((!record->file || strcmp(record->file, job->name) != 0) &&
			catalog_saved(catalog, record, job->name)))
		return NULL;
	record->state = image.state;
	record->last_run_ns = image.last_run_ns;
	return record;
}

static void import_done(void *context, const struct saver_job *job)
{
	struct exchange *exchange = context;
	struct record *record = job->error ? NULL : record_update(exchange, job), *other = NULL;
	struct client *client = exchange->client;
	bool united = exchange->has_record;
	int r = job->error;
	uint32_t slot;

	if (!r && !record) /* it has been removed meanwhile */
		r = united ? -ESTALE : -ENOMEM;
	/* Its program has begun while this was being written, and has not found it, nor ever will.
	 */
	slot = record && !united ? keep_current(exchange->keep, exchange->image.path, &other) : 0;
	if (slot) {
		r = keep_unite(exchange->keep, slot, &exchange->image);
		keep_drop(exchange->keep, record);
	}
	if (!client)
		return;
	if (r)
		exchange_fail(exchange, r, job->reason);
	else
		import_answer(exchange,
			      slot ? profile_object(exchange->control, slot) :
				     record_object(record),
			      united || slot);
	control_push(exchange->control, client);
}

/* What is wrong with an image that could be loaded, in one clause; NULL: nothing. */
static const char *import_check(const struct image *image)
{
	if (!image->path)
		return "it does not say which program it is for";
	for (size_t i = 0; i < image->n_words; i++)
		if (ebph_word_normal(image->words[i]))
			return NULL;
	return image->state == EBPH_STATE_TRAINING ?
		       NULL :
		       "it does not learn any more and knows nothing: all would be an anomaly";
}

/* The bytes are those of a profile that can be used here. Return: 0, or the client has been told.
 */
static int import_read(struct exchange *exchange)
{
	struct client *client = exchange->client;
	struct image *image = &exchange->image;
	char name[STORE_NAME_MAX];
	const char *wrong = NULL;
	void *data = NULL;
	int r = image_decode(client->upload.data + client->upload.begin,
			     wire_bytes(&client->upload), image, &wrong);

	if (!r)
		wrong = import_check(image);
	if (!r && wrong)
		r = -EBADMSG;
	if (r) {
		client_fail(client, ERROR(BadProfile), json_pack("{s:s}", "reason", wrong));
		return r;
	}
	/* It may be of a file that is not here any more: as `ebphd --import`. */
	if (image->machine == exchange->keep->catalog.machine)
		image->machine = IMAGE_MACHINE_ANY;
	r = image_encode(image, &data, &exchange->bytes);
	if (!r) {
		exchange->data = data;
		store_name(image, name);
		exchange->file = strdup(name);
	}
	if (r || !exchange->file)
		exchange_fail(exchange, r ? r : -ENOMEM, "");
	return r;
}

static void import_all(struct control *control, struct client *client)
{
	struct exchange *exchange = exchange_new(control, client);
	struct record *record = NULL;
	uint32_t slot;

	if (!exchange || import_read(exchange))
		return;
	if (client_string(client, "name")) {
		slot = profile_select(control, client, &record);
		if (!slot && !record)
			return;
	} else {
		slot = keep_current(control->keep, exchange->image.path, &record);
	}
	if (slot) {
		import_live(exchange, slot);
		return;
	}
	if (record)
		record_set(exchange, record);
	errand_begin_for(exchange, import_prepare, import_done);
}

void method_import(struct control *control, struct client *client)
{
	AUTO_FREE void *data = NULL;
	size_t bytes = 0;
	int r = base64_bytes(client_string(client, "data"), &data, &bytes);

	if (!r)
		r = wire_add(&client->upload, data, bytes, IMAGE_BYTES_MAX);
	if (r == -EBADMSG) {
		client_fail(client, SERVICE_ERROR(InvalidParameter),
			    json_pack("{s:s}", "parameter", "data"));
	} else if (r == -EMSGSIZE) {
		client_fail(client, ERROR(BadProfile),
			    json_pack("{s:s}", "reason", "it is larger than any profile"));
	} else if (r) {
		client_fail_errno(client, r);
	} else if (client_flag(client, "continues")) {
		client_reply(client, json_object(), false);
		return;
	} else {
		import_all(control, client);
	}
	wire_clear(&client->upload);
}
