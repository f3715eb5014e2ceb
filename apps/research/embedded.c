#include "apps/research/embedded.h"

#include <string.h>

static const embedded_file *file_at(const char *path)
{
    for (size_t i = 0; i < embedded_file_count; i++)
        if (strcmp(embedded_files[i].route + strlen("GET "), path) == 0) return &embedded_files[i];
    return NULL;
}

static bool has_tag(const char *list, const char *tag)
{
    return strcmp(list, "*") == 0 ||
           strstr(list, tag) != NULL; /* a tag has quotes at both ends: it is no part of another */
}

static void on_file(sw_ctx *c)
{
    const embedded_file *file = file_at(sw_path(c));
    if (!file) {
        sw_reply_text(c, 404, "nothing is at this path\n");
        return;
    }
    const char *known = sw_header(c, "if-none-match");
    sw_reply_header(c, "ETag", file->tag);
    sw_reply_header(c, "Cache-Control", "no-cache");
    sw_reply_header(c, "X-Content-Type-Options", "nosniff");
    sw_reply_header(c, "Content-Security-Policy", embedded_policy);
    if (known && has_tag(known, file->tag))
        sw_reply(c, 304, file->type, NULL, 0);
    else
        sw_reply(c, 200, file->type, file->data, file->len);
}

void embedded_serve(sw_app *app)
{
    for (size_t i = 0; i < embedded_file_count; i++) sw_route(app, embedded_files[i].route, on_file);
}
