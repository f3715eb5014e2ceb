/* yajl, for bench/json: its tree, and its generator fed from the tree. */
#include <string.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_tree.h>

#include "bench/json_libraries.h"

static void *yajl_read(const document *d) { return yajl_tree_parse(d->text, NULL, 0); }

static void yajl_write_string(yajl_gen to, const char *text)
{
    (void)yajl_gen_string(to, (const unsigned char *)text, strlen(text));
}

static void yajl_write_value(yajl_gen to, yajl_val v);

static void yajl_write_map(yajl_gen to, yajl_val v)
{
    (void)yajl_gen_map_open(to);
    for (size_t i = 0; i < v->u.object.len; i++) {
        yajl_write_string(to, v->u.object.keys[i]);
        yajl_write_value(to, v->u.object.values[i]);
    }
    (void)yajl_gen_map_close(to);
}

static void yajl_write_array(yajl_gen to, yajl_val v)
{
    (void)yajl_gen_array_open(to);
    for (size_t i = 0; i < v->u.array.len; i++) yajl_write_value(to, v->u.array.values[i]);
    (void)yajl_gen_array_close(to);
}

static void yajl_write_number(yajl_gen to, yajl_val v)
{
    if (YAJL_IS_INTEGER(v))
        (void)yajl_gen_integer(to, YAJL_GET_INTEGER(v));
    else
        (void)yajl_gen_double(to, YAJL_GET_DOUBLE(v));
}

static void yajl_write_value(yajl_gen to, yajl_val v)
{
    switch (v->type) {
    case yajl_t_string:
        yajl_write_string(to, YAJL_GET_STRING(v));
        break;
    case yajl_t_number:
        yajl_write_number(to, v);
        break;
    case yajl_t_object:
        yajl_write_map(to, v);
        break;
    case yajl_t_array:
        yajl_write_array(to, v);
        break;
    case yajl_t_true:
    case yajl_t_false:
        (void)yajl_gen_bool(to, v->type == yajl_t_true);
        break;
    default:
        (void)yajl_gen_null(to);
    }
}

static size_t yajl_write(const void *of)
{
    const unsigned char *text;
    size_t len = 0;
    yajl_gen to = yajl_gen_alloc(NULL);
    if (!to) return 0;
    yajl_write_value(to, (yajl_val)of);
    (void)yajl_gen_get_buf(to, &text, &len);
    yajl_gen_free(to);
    return len;
}

static void yajl_free(void *of) { yajl_tree_free(of); }

const library yajl_library = {"yajl", yajl_read, yajl_write, yajl_free};
