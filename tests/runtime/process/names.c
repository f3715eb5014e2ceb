/* Names of endpoints and versions are as long as the store's tables take them; a program with a longer one does not
 * start, and says which it is. */
#include <stdlib.h>
#include <string.h>

#include "runtime/process/app.h"
#include "storage/store.h"
#include "tests/harness/check.h"

static void handler(sw_ctx *c) { (void)c; }

/* NULL: the program starts. */
static const char *objection(size_t route_len, size_t version_len)
{
    static char route[2 * STORE_NAME_MAX], version[2 * STORE_NAME_MAX], error[512];
    char name[] = "names", *argv[] = {name, NULL};
    memset(route, 'a', sizeof route);
    memset(version, 'v', sizeof version);
    memcpy(route, "GET /", 5);
    route[route_len] = version[version_len] = 0;
    sw_app *app = sw_app_new("names");
    sw_endpoint(app, route, handler, &(sw_endpoint_options){.version = version});
    bool ok = app_configure(app, 1, argv, error, sizeof error) == OPTIONS_OK;
    app_free(app);
    return ok ? NULL : error;
}

static void test_lengths(void)
{
    CHECK(!objection(6, 0));
    CHECK(!objection(6, STORE_NAME_MAX));
    CHECK(strstr(objection(6, STORE_NAME_MAX + 1), ".version is longer than 4096 bytes"));
    CHECK(strstr(objection(STORE_NAME_MAX + 1, 1), "route is longer than 4096 bytes"));
}

static const check_case cases[] = {{"a name that is too long is refused at the start", test_lengths}};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof cases[0], argc, argv); }
