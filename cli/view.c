#include "cli/view.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/safe.h"
#include "runtime/base/json.h"

static sw_bytes as_json(cli *c, sw_value v)
{
    sw_bytes json = {"", 0};
    if (!json_write(&c->arena, v, &json)) cli_must(NULL);
    return json;
}

const char *view_text(cli *c, sw_value v, size_t columns)
{
    if (sw_is_nil(v)) return "";
    if (sw_type(v) == SW_STRING) return safe_text(c, v.via.str.ptr, v.via.str.size, columns);
    sw_bytes json = as_json(c, v);
    return safe_text(c, json.data, json.len, columns);
}

const char *view_time(cli *c, sw_value unix_ms)
{
    int64_t ms = sw_as_int(unix_ms, 0);
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;
    char text[32];
    if (ms <= 0 || !gmtime_r(&seconds, &t) || strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &t) == 0) return "";
    return cli_text(c, "%s", text);
}

const char *view_duration(cli *c, int64_t ms)
{
    int64_t s = ms / 1000;
    if (ms < 0) ms = 0; /* two clocks */
    if (ms < 1000) return cli_text(c, "%lld ms", (long long)ms);
    if (s < 60) return cli_text(c, "%lld.%lld s", (long long)s, (long long)(ms % 1000 / 100));
    if (s < 3600) return cli_text(c, "%lld m %lld s", (long long)(s / 60), (long long)(s % 60));
    if (s < 86400) return cli_text(c, "%lld h %lld m", (long long)(s / 3600), (long long)(s % 3600 / 60));
    return cli_text(c, "%lld d %lld h", (long long)(s / 86400), (long long)(s % 86400 / 3600));
}

const char *view_bytes(cli *c, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) return cli_text(c, "%llu bytes", (unsigned long long)bytes);
    for (; n >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++) n /= 1024;
    return cli_text(c, "%.1f %s", n, units[unit]);
}

/* Bytes of the character at `p`, if it is DEL, a C1 control, or one that hides or turns text round: 1 to 3; 0: else. */
static size_t hostile_bytes(const unsigned char *p, unsigned *code)
{
    *code = p[0];
    if (p[0] == 0x7f) return 1;
    *code = p[1];
    if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) return 2;
    if (p[0] != 0xe2 || (p[1] != 0x80 && p[1] != 0x81)) return 0;
    *code = 0x2000U | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU);
    bool is_hostile = (*code >= 0x200b && *code <= 0x200f) || (*code >= 0x2028 && *code <= 0x202e) || *code >= 0x2060;
    return is_hostile ? 3 : 0;
}

/* Control characters are escaped in any JSON; these others stand in strings alone, where an escape means the same. */
void view_put_json(FILE *to, const char *json, size_t len)
{
    const unsigned char *p = (const unsigned char *)json;
    for (size_t i = 0; i < len;) {
        unsigned code;
        size_t n = hostile_bytes(p + i, &code);
        if (n > 0)
            fprintf(to, "\\u%04x", code);
        else
            fputc(p[i], to);
        i += n > 0 ? n : 1;
    }
}

void view_print_json(cli *c, sw_value v)
{
    sw_bytes json = as_json(c, v);
    view_put_json(stdout, json.data, json.len);
    putchar('\n');
}
