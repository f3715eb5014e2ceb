/* zone: a time zone of the system's tz data: which local time a moment is there, and which moment a local time. Owns
 * nothing but what its name says; unchanged once made, so that any thread may ask. A program reads the tz data once: it
 * follows an update when it is started again. */
#ifndef RUNTIME_FLOW_ZONE_H
#define RUNTIME_FLOW_ZONE_H

#include <stdint.h>

typedef struct zone zone;

/* A minute of a calendar and of the clocks that go by it. */
typedef struct civil {
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute;
} civil;

/* Makes the zone of an IANA name, "Europe/Berlin"; "UTC" needs no tz data. NULL: *why, which is static, says why not.
 */
zone *zone_new(const char *name, const char **why);
void zone_free(zone *z); /* NULL is fine */

/* Returns the minute that the zone's clocks show at a moment, Unix seconds. */
civil zone_local(const zone *z, int64_t unix_s);
/* Returns the moment, Unix seconds, at which the zone's clocks first come to that minute. Of a minute that they leave
 * out, as they are put forward: the moment at which that is done. */
int64_t zone_moment(const zone *z, const civil *c);

#endif
