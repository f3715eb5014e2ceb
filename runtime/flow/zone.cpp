// The library cctz reads the system's tz data and knows the rules; it has no C functions.
#include <cctz/civil_time.h>
#include <cctz/time_zone.h>

#include <chrono>
#include <cstring>
#include <new>
#include <string>

extern "C" {
#include "runtime/flow/zone.h"
}

struct zone {
    cctz::time_zone of;
};

namespace
{

using moment = cctz::time_point<cctz::seconds>;

// What else the loader would take for a name: a path, "file:", "libc:", and what means another zone on each machine.
bool name_is_of_iana(const char *name)
{
    const char *of_name = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/";
    return *name && *name != '/' && name[std::strspn(name, of_name)] == 0 && std::strcmp(name, "localtime") != 0 &&
           std::strncmp(name, "right/", 6) != 0 && std::strncmp(name, "Fixed/", 6) != 0;
}

} // namespace

zone *zone_new(const char *name, const char **why)
try {
    *why = "the system's tz data has no zone of this name (it is in Debian's package tzdata): names are like "
           "\"Europe/Berlin\"";
    if (!name_is_of_iana(name)) return nullptr;
    cctz::time_zone of;
    if (!cctz::load_time_zone(std::string(name), &of)) return nullptr;
    return new zone{of};
} catch (...) {
    *why = "out of memory";
    return nullptr;
}

void zone_free(zone *z) { delete z; }

civil zone_local(const zone *z, int64_t unix_s)
{
    const cctz::civil_second c = cctz::convert(moment(cctz::seconds(unix_s)), z->of);
    return civil{c.year(), c.month(), c.day(), c.hour(), c.minute()};
}

int64_t zone_moment(const zone *z, const civil *c)
{
    const auto found = z->of.lookup(cctz::civil_second(c->year, c->month, c->day, c->hour, c->minute, 0));
    const bool is_left_out = found.kind == cctz::time_zone::civil_lookup::SKIPPED;
    return (is_left_out ? found.trans : found.pre).time_since_epoch().count();
}
