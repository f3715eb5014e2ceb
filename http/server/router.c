#include "http/server/router.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/uri.h"

typedef struct http_route {
    struct http_route *next; /* other methods of the same node */
    char *text;              /* owned: "GET /a/:b" */
    char *name_text;         /* owned: the parameters' names, each terminated */
    size_t method_len;       /* of the method, with which text begins */
    void *target;
    http_text names[HTTP_PARAMS_MAX]; /* in name_text; each route has its own, whatever its neighbours' are */
    size_t name_count;
} http_route;

typedef struct node {
    struct node *next; /* sibling among the literals */
    struct node *literals;
    struct node *param; /* ":name", or NULL */
    struct node *rest;  /* "*name", or NULL */
    http_route *routes; /* that end here */
    size_t segment_len;
    char segment[]; /* a literal's */
} node;

struct http_router {
    node *root;
    char methods[HTTP_ALLOW_BYTES]; /* of all routes, as in an Allow header: so none of a part of them is too long */
};

/* Adds a method to a list that has HTTP_ALLOW_BYTES, unless it is there. False: no room. */
static bool allow_add(char *allow, const char *method, size_t len)
{
    size_t used = strlen(allow);
    assert(used < HTTP_ALLOW_BYTES && len > 0);
    for (const char *at = allow; *at; at += strcspn(at, ","), at += strspn(at, ", ")) {
        if (strcspn(at, ",") == len && memcmp(at, method, len) == 0) return true;
    }
    if (used + len + 3 > HTTP_ALLOW_BYTES) return false;
    if (used > 0) {
        memcpy(allow + used, ", ", 2);
        used += 2;
    }
    memcpy(allow + used, method, len);
    allow[used + len] = 0;
    return true;
}

static bool allow_route(char *allow, const http_route *route)
{
    bool is_get = route->method_len == 3 && memcmp(route->text, "GET", 3) == 0;
    return allow_add(allow, route->text, route->method_len) && (!is_get || allow_add(allow, "HEAD", 4));
}

static node *node_new(const char *segment, size_t len)
{
    node *n = calloc(1, sizeof(*n) + len + 1);
    if (!n) return NULL;
    memcpy(n->segment, segment, len);
    n->segment_len = len;
    return n;
}

static void node_free(node *n)
{
    if (!n) return;
    for (http_route *route = n->routes, *next; route; route = next) {
        next = route->next;
        free(route->text);
        free(route->name_text);
        free(route);
    }
    for (node *child = n->literals, *next; child; child = next) {
        next = child->next;
        node_free(child);
    }
    node_free(n->param);
    node_free(n->rest);
    free(n);
}

http_router *http_router_new(void)
{
    http_router *r = calloc(1, sizeof(*r));
    if (r) {
        r->root = node_new("", 0);
        (void)allow_add(r->methods, "OPTIONS", 7);
    }
    if (!r || r->root) return r;
    free(r);
    return NULL;
}

void http_router_free(http_router *r)
{
    if (!r) return;
    node_free(r->root);
    free(r);
}

/* Returns the segment that begins at `from`, up to a slash or the end. */
static http_text segment_at(const char *from, const char *end)
{
    assert(from <= end);
    const char *slash = memchr(from, '/', (size_t)(end - from));
    return (http_text){from, (size_t)((slash ? slash : end) - from)};
}

static bool param_name_valid(http_text name)
{
    if (name.len == 0 || (name.data[0] >= '0' && name.data[0] <= '9')) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i], low = (char)(c | 0x20);
        if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') && c != '_') return false;
    }
    return true;
}

/* NULL: added; else what is wrong with the name. */
static const char *route_add_name(http_route *route, http_text name)
{
    assert(route->name_count <= HTTP_PARAMS_MAX);
    if (!param_name_valid(name)) return "a parameter's name is letters, digits and _";
    if (route->name_count == HTTP_PARAMS_MAX) return "it has too many parameters";
    for (size_t i = 0; i < route->name_count; i++) {
        if (route->names[i].len == name.len && memcmp(route->names[i].data, name.data, name.len) == 0)
            return "it has two parameters of one name";
    }
    char *copy = route->name_text + (name.data - route->text); /* both texts are equally long */
    copy[name.len] = 0;
    route->names[route->name_count++] = (http_text){copy, name.len};
    return NULL;
}

static const char *route_check_segment(http_route *route, http_text segment, bool is_last)
{
    static const char literal_bytes[] = "-._~!$&'()+,;=@"
                                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    if (segment.len == 0) return is_last ? NULL : "it has an empty segment";
    if (segment.data[0] == '*' && !is_last) return "* may only begin the last segment";
    if (segment.data[0] == ':' || segment.data[0] == '*')
        return route_add_name(route, (http_text){segment.data + 1, segment.len - 1});
    if (strspn(segment.data, literal_bytes) < segment.len)
        return "a literal segment has only letters, digits and -._~!$&'()+,;=@ (write escapes decoded)";
    return NULL;
}

/* NULL: the route is well-formed; else why it is not. */
static const char *route_check(http_route *route)
{
    const char *text = route->text;
    route->method_len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
    if (route->method_len == 0 || route->method_len > 24 || text[route->method_len] != ' ' ||
        text[route->method_len + 1] != '/')
        return "write METHOD /path";
    const char *at = text + route->method_len + 1, *end = text + strlen(text);
    while (at < end) {
        http_text segment = segment_at(at + 1, end);
        at = segment.data + segment.len;
        const char *wrong = route_check_segment(route, segment, at == end);
        if (wrong) return wrong;
    }
    return NULL;
}

/* Returns the child for a segment of a route, and makes it if need be; NULL: out of memory. */
static node *node_child_for(node *parent, http_text segment)
{
    char kind = segment.len > 0 ? segment.data[0] : 0;
    if (kind == ':' || kind == '*') {
        node **child = kind == ':' ? &parent->param : &parent->rest;
        if (!*child) *child = node_new("", 0);
        return *child;
    }
    node **child = &parent->literals;
    for (; *child; child = &(*child)->next) {
        if ((*child)->segment_len == segment.len && memcmp((*child)->segment, segment.data, segment.len) == 0)
            return *child;
    }
    return *child = node_new(segment.data, segment.len);
}

static const http_route *route_of(const node *n, const char *method, size_t method_len)
{
    const http_route *route = n->routes;
    while (route && (route->method_len != method_len || memcmp(route->text, method, method_len) != 0))
        route = route->next;
    return route;
}

/* NULL: the route is in the tree, which owns it; else why it is not. */
static const char *router_insert(http_router *r, http_route *added)
{
    const char *wrong = route_check(added);
    if (wrong) return wrong;
    if (!allow_route(r->methods, added)) return "there are too many methods for an Allow header";
    const char *at = added->text + added->method_len + 1, *end = at + strlen(at);
    node *n = r->root;
    while (at < end) {
        http_text segment = segment_at(at + 1, end);
        at = segment.data + segment.len;
        n = node_child_for(n, segment);
        if (!n) return "out of memory";
    }
    if (route_of(n, added->text, added->method_len)) return "there is a route for the same paths already";
    http_route **last = &n->routes;
    while (*last) last = &(*last)->next;
    assert(!added->next);
    *last = added;
    return NULL;
}

bool http_router_add(http_router *r, const char *text, void *target, char *error, size_t error_size)
{
    const char *wrong = "out of memory";
    http_route *added = calloc(1, sizeof(*added));
    if (added) {
        added->text = strdup(text);
        added->name_text = strdup(text);
        if (added->text && added->name_text) wrong = router_insert(r, added);
    }
    if (!wrong) {
        added->target = target;
        return true;
    }
    snprintf(error, error_size, "route \"%s\": %s", text, wrong);
    if (added) {
        free(added->text);
        free(added->name_text);
    }
    free(added);
    return false;
}

const char *http_router_methods(const http_router *r) { return r->methods; }

typedef struct search {
    http_text method;                  /* of the request */
    http_text as;                      /* the method to look for second: GET for a request with HEAD */
    const char *end;                   /* of the path */
    http_text values[HTTP_PARAMS_MAX]; /* encoded, in the order of the path */
    const http_route *found;
    size_t value_count;      /* of the route found */
    const http_route *other; /* fits the path, whatever its method; NULL: no route does */
    char *allow;             /* the methods of all routes that fit the path; HTTP_ALLOW_BYTES */
} search;

static bool search_take_end(search *s, const node *n, size_t depth)
{
    assert(depth <= HTTP_PARAMS_MAX);
    if (!n->routes) return false;
    s->found = route_of(n, s->method.data, s->method.len);
    if (!s->found && s->as.len > 0) s->found = route_of(n, s->as.data, s->as.len);
    s->value_count = depth;
    if (s->found) return true;
    if (!s->other) s->other = n->routes;
    for (const http_route *route = n->routes; route; route = route->next) (void)allow_route(s->allow, route);
    return false;
}

/* Looks below `n` for the rest of the path: `at` is the slash before the next segment, or the end. Visits no node
 * twice, so its work is bounded by the tree. */
static bool search_descend(search *s, const node *n, const char *at, size_t depth)
{
    assert(at == s->end || *at == '/');
    if (at == s->end) return search_take_end(s, n, depth);
    http_text segment = segment_at(at + 1, s->end);
    const char *next = segment.data + segment.len;
    for (const node *child = n->literals; child; child = child->next) {
        if (uri_path_equals(segment, child->segment, child->segment_len)) {
            if (search_descend(s, child, next, depth)) return true;
            break;
        }
    }
    if (n->param && segment.len > 0) {
        assert(depth < HTTP_PARAMS_MAX); /* route_add_name() has let no more into the tree */
        s->values[depth] = segment;
        if (search_descend(s, n->param, next, depth + 1)) return true;
    }
    if (!n->rest) return false;
    assert(depth < HTTP_PARAMS_MAX);
    s->values[depth] = (http_text){at + 1, (size_t)(s->end - at - 1)};
    return search_take_end(s, n->rest, depth + 1);
}

static http_match_result match_decode_params(const search *s, http_match *match)
{
    size_t used = 0;
    assert(s->found);
    assert(s->value_count == s->found->name_count);
    match->target = s->found->target;
    match->param_count = s->value_count;
    for (size_t i = 0; i < s->value_count; i++) {
        http_text raw = s->values[i];
        char *value = match->decoded + used;
        size_t len = 0;
        if (raw.len >= sizeof(match->decoded) - used) return HTTP_MATCH_TOO_LONG;
        bool valid = uri_decode_path(raw.data, raw.len, value, &len);
        assert(valid); /* http_router_find() has checked the whole path */
        (void)valid;
        match->params[i] = (http_param){s->found->names[i].data, value, len};
        used += len + 1;
        if (used == sizeof(match->decoded) && i + 1 < s->value_count) return HTTP_MATCH_TOO_LONG;
    }
    return HTTP_MATCH_FOUND;
}

http_match_result http_router_find(const http_router *r, http_text method, http_text path, http_match *match)
{
    search s = {.method = method, .end = path.data + path.len, .allow = match->allow};
    match->result = HTTP_MATCH_NOT_FOUND;
    match->allow[0] = 0;
    if (path.len == 0 || path.data[0] != '/') return match->result;
    if (method.len == 4 && memcmp(method.data, "HEAD", 4) == 0) s.as = (http_text){"GET", 3};
    if (memchr(path.data, '%', path.len) && !uri_valid(path)) {
        match->result = HTTP_MATCH_BAD_PATH;
    } else if (search_descend(&s, r->root, path.data, 0)) {
        match->result = match_decode_params(&s, match);
    } else if (s.other) {
        (void)allow_add(match->allow, "OPTIONS", 7);
        match->target = s.other->target;
        match->result = HTTP_MATCH_METHOD;
    }
    return match->result;
}
