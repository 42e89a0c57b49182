// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/report.h"

#include <bpf/libbpf.h>
#include <jansson.h>
#include <string.h>
#include <sys/utsname.h>

#include "enforcer/util.h"

struct report {
	json_t *root, *head, *figures; /* the latter two are parts of the first */
	const char *of;		       /* the case */
	size_t printed;		       /* figures */
};

static void processor_name(char *ret, size_t size)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(ret, size, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		colon[strcspn(colon, "\n")] = '\0';
		snprintf(ret, size, "%s", colon + 2);
		return;
	}
}

static void head_fill(json_t *head)
{
	double load[3] = {};
	struct utsname uts;
	char text[256];

	uname(&uts);
	json_object_set_new(head, "kernel", json_string(uts.release));
	processor_name(text, sizeof(text));
	json_object_set_new(head, "processor", json_string(text));
	json_object_set_new(head, "processors", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_set_new(head, "ebph", json_string(EBPH_VERSION));
	snprintf(text, sizeof(text), "%u.%u", libbpf_major_version(), libbpf_minor_version());
	json_object_set_new(head, "libbpf", json_string(text));
	json_object_set_new(head, "compiler", json_string(__VERSION__));
	if (getloadavg(load, 3) > 0)
		json_object_set_new(head, "load_average", json_real(load[0]));
}

int report_new(struct report **ret)
{
	struct report *report = calloc(1, sizeof(*report));

	if (!report)
		return -ENOMEM;
	report->head = json_object();
	report->figures = json_array();
	report->root = json_object();
	if (!report->root || json_object_set_new(report->root, "head", report->head) ||
	    json_object_set_new(report->root, "figures", report->figures)) {
		report_free(report);
		return -ENOMEM;
	}
	head_fill(report->head);
	*ret = report;
	return 0;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	json_decref(report->root);
	free(report);
}

void report_case(struct report *report, const char *name)
{
	report->of = name;
}

static json_t *figure(struct report *report, const char *name, const char *unit, double median,
		      double bound)
{
	json_t *one = json_object();

	json_object_set_new(one, "case", json_string(report->of));
	json_object_set_new(one, "name", json_string(name));
	json_object_set_new(one, "unit", json_string(unit));
	json_object_set_new(one, "median", json_real(median));
	if (bound > 0) {
		json_object_set_new(one, "bound", json_real(bound));
		json_object_set_new(one, "within", json_boolean(median <= bound));
	}
	json_array_append_new(report->figures, one);
	return one;
}

void report_value(struct report *report, const char *name, const char *unit, double value,
		  double bound)
{
	figure(report, name, unit, value, bound);
}

void report_values(struct report *report, const char *name, const char *unit, const double *values,
		   size_t n, double bound)
{
	struct spread spread = spread_of(values, n);
	json_t *one = figure(report, name, unit, spread.median, bound);

	json_object_set_new(one, "lower_quartile", json_real(spread.q1));
	json_object_set_new(one, "upper_quartile", json_real(spread.q3));
	json_object_set_new(one, "rounds", json_integer((json_int_t)n));
}

void report_time(struct report *report, const char *name, const struct measurement *m, size_t work,
		 size_t variant)
{
	report_values(report, name, "ns", measured(m, work, variant), m->n_rounds, 0);
}

double report_percent(struct report *report, const char *name, const struct measurement *m,
		      size_t work, size_t variant, size_t base, double bound)
{
	const double *a = measured(m, work, variant), *b = measured(m, work, base);
	AUTO_FREE double *values = calloc(m->n_rounds, sizeof(*values));

	if (!values)
		return 0;
	for (size_t i = 0; i < m->n_rounds; i++)
		values[i] = (a[i] / b[i] - 1) * 100;
	report_values(report, name, "%", values, m->n_rounds, bound);
	return spread_of(values, m->n_rounds).median;
}

void report_ratio(struct report *report, const char *name, const struct measurement *m, size_t work,
		  size_t variant, size_t base, double bound)
{
	const double *a = measured(m, work, variant), *b = measured(m, work, base);
	AUTO_FREE double *values = calloc(m->n_rounds, sizeof(*values));

	for (size_t i = 0; values && i < m->n_rounds; i++)
		values[i] = a[i] / b[i];
	if (values)
		report_values(report, name, "x", values, m->n_rounds, bound);
}

void report_over(struct report *report, const char *name, const struct measurement *m, size_t work,
		 size_t base_work, size_t variant)
{
	const double *a = measured(m, work, variant), *b = measured(m, base_work, variant);
	AUTO_FREE double *values = calloc(m->n_rounds, sizeof(*values));

	for (size_t i = 0; values && i < m->n_rounds; i++)
		values[i] = a[i] / b[i];
	if (values)
		report_values(report, name, "x", values, m->n_rounds, 0);
}

void report_overhead(struct report *report, const char *name, const struct measurement *m,
		     size_t work, size_t variant, size_t base, size_t none, double bound)
{
	const double *a = measured(m, work, variant), *b = measured(m, work, base);
	const double *n = measured(m, work, none);
	AUTO_FREE double *values = calloc(m->n_rounds, sizeof(*values));

	for (size_t i = 0; values && i < m->n_rounds; i++)
		values[i] = (a[i] - n[i]) / (b[i] - n[i]);
	if (values)
		report_values(report, name, "x", values, m->n_rounds, bound);
}

/* ---- output ---------------------------------------------------------------------------- */

static const char *number(const json_t *one, const char *member, char *text, size_t size)
{
	const json_t *value = json_object_get(one, member);
	double x = json_number_value(value);

	if (!value)
		return "";
	snprintf(text, size,
		 x > -10 && x < 10     ? "%.2f" :
		 x > -1000 && x < 1000 ? "%.1f" :
					 "%.0f",
		 x);
	return text;
}

static void figure_print(const json_t *one)
{
	const json_t *within = json_object_get(one, "within");
	char text[4][32];
	const char *q1 = number(one, "lower_quartile", text[1], sizeof(text[1]));

	printf("| %s | %s | %s%s%s | %s | %s%s |\n",
	       json_string_value(json_object_get(one, "name")),
	       number(one, "median", text[0], sizeof(text[0])), q1, *q1 ? " .. " : "",
	       number(one, "upper_quartile", text[2], sizeof(text[2])),
	       json_string_value(json_object_get(one, "unit")),
	       number(one, "bound", text[3], sizeof(text[3])),
	       !within		    ? "" :
	       json_is_true(within) ? " ok" :
				      " **missed**");
}

static void head_print(const struct report *report)
{
	const char *key;
	json_t *value;

	json_object_foreach(report->head, key, value)
	{
		if (json_is_string(value))
			printf("- %s: %s\n", key, json_string_value(value));
		else
			printf("- %s: %g\n", key, json_number_value(value));
	}
}

void report_print(struct report *report)
{
	if (!report->printed)
		head_print(report);
	printf("\n### %s\n\n| figure | median | quartiles | | bound |\n|---|--:|--:|---|---|\n",
	       report->of);
	for (; report->printed < json_array_size(report->figures); report->printed++)
		figure_print(json_array_get(report->figures, report->printed));
	fflush(stdout);
}

int report_write(const struct report *report, const char *path)
{
	return json_dump_file(report->root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) ? -EIO :
											     0;
}
