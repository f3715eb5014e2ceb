/* parcel: what one home hands to another, which takes it on its own thread (board_hand). Part of what is handed over,
 * and owned by it. */
#ifndef RUNTIME_RUN_PARCEL_H
#define RUNTIME_RUN_PARCEL_H

#include <stdbool.h>

struct home;

typedef struct parcel {
    struct parcel *next;
    unsigned to; /* index of the home */
    /* Takes the parcel, on the home's thread. False: there is no memory; it is called again later. */
    bool (*deliver)(struct home *h, struct parcel *p);
    /* Frees the parcel: the home has ended, and the next process finds on disk what it was about. */
    void (*drop)(struct parcel *p);
} parcel;

#endif
