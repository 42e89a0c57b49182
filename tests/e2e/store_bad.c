#include "tests/harness/tap.h"
const struct test store_bad_tests[] = {{}};
