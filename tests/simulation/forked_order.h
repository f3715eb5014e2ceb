/* forked_order: which operation of a job comes before which, by its tree alone. */
#ifndef TESTS_SIMULATION_FORKED_ORDER_H
#define TESTS_SIMULATION_FORKED_ORDER_H

typedef enum forked_order {
    FORKED_BESIDE, /* at one time, or never in one run */
    FORKED_BEFORE,
    FORKED_BEHIND
} forked_order;

/* Of operation `at`, as seen from operation `of`. */
forked_order forked_order_of(int job, int at, int of);

#endif
