#include "apps/research/embedded.h"

#include <string.h>

static const embedded_file *embedded_find(const char *path)
{
    for (size_t i = 0; i < embedded_file_count; i++)
        if (strcmp(embedded_files[i].route + strlen("GET "), path) == 0) return &embedded_files[i];
    return NULL;
}

static bool tags_hold(const char *list, const char *tag)
{
    /* A tag has quotes at both ends, so that none is a part of another. */
    return strcmp(list, "*") == 0 || strstr(list, tag) != NULL;
}

static void on_file(sw_ctx *c)
{
    const embedded_file *file = embedded_find(sw_path(c));
    if (!file) {
        sw_reply_text(c, 404, "nothing is at this path\n");
        return;
    }
    const char *known = sw_header(c, "if-none-match");
    sw_reply_header(c, "ETag", file->tag);
    sw_reply_header(c, "Cache-Control", "no-cache");
    sw_reply_header(c, "X-Content-Type-Options", "nosniff");
    sw_reply_header(c, "Content-Security-Policy", embedded_policy);
    if (known && tags_hold(known, file->tag))
        sw_reply(c, 304, file->type, NULL, 0);
    else
        sw_reply(c, 200, file->type, file->data, file->len);
}

void embedded_serve(sw_app *app)
{
    for (size_t i = 0; i < embedded_file_count; i++) sw_route(app, embedded_files[i].route, on_file);
}
