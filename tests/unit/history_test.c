/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The latest events: which are kept, for how long, and that nobody's flood hides the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enforcer/history.h"

static struct history history;

static void add(const char *name, int slot, int pid, int mark)
{
	json_t *object = json_pack("{s:s, s:i, s:i, s:i}", "event", name, "profile", slot, "pid",
				   pid, "mark", mark);
	char *text = json_dumps(object, JSON_COMPACT);

	history_add(&history, object, text);
	free(text);
	json_decref(object);
}

/* How many anomalies are known of them, and the marks of the first and last. */
static void expect(uint32_t pid, uint32_t slot, size_t n, int first, int last)
{
	uint32_t found;
	json_t *array = history_anomalies(&history, pid, slot, &found);

	assert_int_equal(json_array_size(array), n);
	if (n) {
		json_t *oldest = json_array_get(array, 0), *latest = json_array_get(array, n - 1);

		assert_int_equal(json_integer_value(json_object_get(oldest, "mark")), first);
		assert_int_equal(json_integer_value(json_object_get(latest, "mark")), last);
	}
	json_decref(array);
}

static int clean(void **state)
{
	(void)state;
	history_clear(&history);
	return 0;
}

static void the_latest_events_are_kept(void **state)
{
	const struct history_entry *entry;
	uint64_t number = 0;
	int n = 0;

	(void)state;
	assert_null(history_next(&history, 0));
	for (int i = 0; i < 1000; i++)
		add("state", 1, 1, i);
	for (; (entry = history_next(&history, number)); n++) {
		assert_int_equal(entry->number, 1000 - HISTORY_EVENTS + n + 1);
		number = entry->number;
	}
	assert_int_equal(n, HISTORY_EVENTS);
	assert_null(history_next(&history, 5000));
}

static void anomalies_outlive_other_events(void **state)
{
	(void)state;
	add("anomaly", 1, 100, 7);
	for (int i = 0; i < 1000; i++)
		add("state", 1, 100, i);
	expect(100, 0, 1, 7, 7);
	expect(0, 1, 1, 7, 7);
	expect(101, 0, 0, 0, 0);
	expect(0, 2, 0, 0, 0);
}

static void a_flood_hides_no_others(void **state)
{
	(void)state;
	add("anomaly", 1, 100, 7);
	add("anomaly", 1, 101, 8);
	for (int i = 0; i < 10000; i++)
		add("anomaly", 2, 200, i);
	expect(0, 1, 2, 7, 8);
	expect(0, 2, HISTORY_SHARE, 10000 - HISTORY_SHARE, 9999);
}

static void the_oldest_goes(void **state)
{
	(void)state;
	for (int i = 1; i <= HISTORY_ANOMALIES + 10; i++)
		add("anomaly", i, 1000 + i, i);
	expect(0, 10, 0, 0, 0);
	expect(0, 11, 1, 11, 11);
	expect(0, HISTORY_ANOMALIES + 10, 1, HISTORY_ANOMALIES + 10, HISTORY_ANOMALIES + 10);
}

/* Its slot gets another profile, to which nothing of this is to be put down. */
static void who_leaves_memory_is_known_by_pid_only(void **state)
{
	(void)state;
	add("anomaly", 3, 300, 1);
	add("evict", 3, 0, 2);
	expect(0, 3, 0, 0, 0);
	expect(300, 0, 1, 1, 1);
	add("anomaly", 3, 301, 4);
	expect(0, 3, 1, 4, 4);
}

/* A number that nothing has is found nowhere, and the reason is nobody else's, and none to come. */
static void an_event_is_found_with_its_reason(void **state)
{
	const struct history_entry *found;

	(void)state;
	add("anomaly", 1, 100, 1); /* event 1 */
	add("anomaly", 1, 101, 2);
	add("stop", 1, 100, 3);
	add("anomaly", 1, 100, 4);
	add("release", 0, 100, 5); /* event 5 */
	add("state", 1, 100, 6);
	add("stop", 1, 102, 7);
	assert_null(history_find(&history, 0));
	assert_null(history_find(&history, 8));
	assert_null(history_find(&history, 3 + HISTORY_EVENTS));
	assert_int_equal(history_reason(&history, history_find(&history, 1))->number, 1);
	assert_int_equal(history_reason(&history, history_find(&history, 3))->number, 1);
	assert_int_equal(history_reason(&history, history_find(&history, 5))->number, 4);
	assert_null(history_reason(&history, history_find(&history, 6)));
	assert_null(history_reason(&history, history_find(&history, 7)));
	for (int i = 0; i < HISTORY_EVENTS; i++)
		add("state", 1, 1, i);
	found = history_find(&history, 4);
	assert_non_null(found); /* anomalies are kept for longer */
	assert_int_equal(found->pid, 100);
	assert_null(history_find(&history, 3));
}

static void a_flood_hides_no_reason(void **state)
{
	(void)state;
	add("anomaly", 1, 100, 1); /* event 1 */
	add("stop", 1, 100, 2);
	for (int i = 0; i < 10 * HISTORY_SHARE; i++)
		add("anomaly", 1, 200, i);
	assert_int_equal(history_reason(&history, history_find(&history, 1))->number, 1);
	assert_int_equal(history_reason(&history, history_find(&history, 2))->number, 1);
}

/* Whoever asks why is not shown the profile that is in its slot now. */
static void an_event_of_who_has_left_has_no_slot(void **state)
{
	(void)state;
	add("anomaly", 3, 300, 1); /* event 1 */
	add("stop", 3, 300, 2);
	add("evict", 3, 0, 3);
	add("anomaly", 3, 301, 4);
	for (uint64_t number = 1; number <= 3; number++)
		assert_int_equal(history_find(&history, number)->slot, 0);
	assert_int_equal(history_reason(&history, history_find(&history, 2))->slot, 0);
	assert_int_equal(history_find(&history, 4)->slot, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_latest_events_are_kept, clean),
		cmocka_unit_test_teardown(anomalies_outlive_other_events, clean),
		cmocka_unit_test_teardown(a_flood_hides_no_others, clean),
		cmocka_unit_test_teardown(the_oldest_goes, clean),
		cmocka_unit_test_teardown(an_event_is_found_with_its_reason, clean),
		cmocka_unit_test_teardown(who_leaves_memory_is_known_by_pid_only, clean),
		cmocka_unit_test_teardown(a_flood_hides_no_reason, clean),
		cmocka_unit_test_teardown(an_event_of_who_has_left_has_no_slot, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
