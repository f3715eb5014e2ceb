/* Sets of numbers, beside a plain array. SEED=N repeats. */
#include "runtime/run/number_set.h"

#include <string.h>
#include <time.h>

#include "tests/harness/check.h"

enum { NUMBERS = 20000, STEPS = 200000 };

static bool plain[NUMBERS];
static unsigned random_state;

static unsigned below(unsigned n) { return (unsigned)rand_r(&random_state) % n; }

/* Close together, and far apart up to the last number there is. */
static uint32_t spread(unsigned n) { return n % 2 ? n : UINT32_MAX - n * 3; }

static void check_next(const number_set *s, unsigned from)
{
    uint32_t found = from;
    unsigned expected = from;
    while (expected < NUMBERS && !(expected % 2 && plain[expected])) expected++;
    bool is_there = number_set_next(s, &found);
    if (expected < NUMBERS)
        CHECK(is_there && found == expected);
    else
        CHECK(!is_there || found >= NUMBERS);
}

static void test_random(void)
{
    number_set s = {.pages = NULL};
    size_t count = 0;
    random_state = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL);
    printf("# SEED=%u\n", random_state);
    memset(plain, 0, sizeof plain);
    for (int i = 0; i < STEPS; i++) {
        unsigned n = below(NUMBERS);
        bool adds = below(2);
        if (adds && !number_set_has(&s, spread(n))) CHECK(number_set_reserve(&s, spread(n)));
        if (adds)
            number_set_add(&s, spread(n));
        else
            number_set_remove(&s, spread(n));
        count += (size_t)(adds - plain[n]);
        plain[n] = adds;
        CHECK_INT(s.count, count);
        CHECK(number_set_has(&s, spread(n)) == adds);
        check_next(&s, below(NUMBERS));
    }
    for (unsigned n = 0; n < NUMBERS; n++) CHECK(number_set_has(&s, spread(n)) == plain[n]);
    number_set_free(&s);
}

/* What was in the set can be put back without memory. */
static void test_back(void)
{
    number_set s = {.pages = NULL};
    uint32_t last = UINT32_MAX, beyond = 0;
    CHECK(number_set_reserve(&s, last));
    number_set_add(&s, last);
    number_set_remove(&s, last);
    CHECK_INT(s.count, 0);
    CHECK(!number_set_next(&s, &beyond));
    number_set_add(&s, last);
    CHECK(number_set_next(&s, &beyond) && beyond == UINT32_MAX);
    number_set_free(&s);
}

static const check_case cases[] = {{"random numbers", test_random}, {"numbers that come back", test_back}};

CHECK_MAIN(cases)
