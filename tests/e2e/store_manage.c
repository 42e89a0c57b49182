#include "tests/harness/tap.h"
const struct test store_manage_tests[] = {{}};
