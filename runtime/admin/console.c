#include "runtime/admin/console.h"

#include <assert.h>
#include <string.h>

#include "runtime/admin/auth.h"
#include "runtime/base/problem.h"
#include "runtime/process/app.h"

static const console_file *console_find(const char *route)
{
    for (size_t i = 0; i < console_file_count; i++)
        if (strcmp(console_files[i].route, route) == 0) return &console_files[i];
    return NULL;
}

static bool console_tags_hold(const char *list, const char *tag)
{
    /* A tag has quotes at both ends, so that none is a part of another. */
    return strcmp(list, "*") == 0 || strstr(list, tag) != NULL;
}

static void on_console(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)params, (void)n;
    if (!auth_admits_site(h, x)) return;
    const console_file *file = console_find(e->route);
    if (!file) {
        problem_reply(x, 404,
                      "this program was built without its console: script/setup console, then meson setup with "
                      "-Dconsole=enabled. The admin API is at /_sw/ all the same",
                      NULL);
        return;
    }
    const char *known = http_request_header(http_exchange_request(x), "if-none-match");
    const http_reply_header headers[] = {
        {"Content-Type", file->type},          {"ETag", file->tag},
        {"Cache-Control", "no-cache"},         {"Content-Security-Policy", console_policy},
        {"X-Content-Type-Options", "nosniff"}, {"Referrer-Policy", "no-referrer"}};
    const size_t count = sizeof headers / sizeof *headers;
    if (known && console_tags_hold(known, file->tag))
        http_reply(x, 304, headers, count, (http_text){"", 0});
    else
        http_reply(x, 200, headers, count, (http_text){(const char *)file->data, file->len});
}

void console_register_routes(sw_app *app)
{
    const endpoint page = {.kind = ENDPOINT_BUILTIN, .builtin = on_console, .door = DOOR_ADMIN_ALONE};
    if (console_file_count == 0) app_add(app, "GET /", page);
    for (size_t i = 0; i < console_file_count; i++) {
        assert(console_files[i].len > 0);
        app_add(app, console_files[i].route, page);
    }
}
