/* Of a model's text only marks of sources that may be cited come out, wherever the text was cut into pieces. */
#include "apps/research/citations.h"
#include "tests/harness/check.h"
#include "tests/research/marks.h"
#include "tests/research/memory.h"

#include <stdint.h>

/* Source 2 may not be cited; 4 is shown as 40. */
static const int64_t shown[] = {1, 0, 3, 40};
enum { SHOWN = 4 };

static const char *checked(const char *words)
{
    citations f = citations_new(NULL, shown, SHOWN);
    (void)citations_take(&f, words, strlen(words), true);
    return sw_text_str(&f.out);
}

static const struct {
    const char *in, *out;
} examples[] = {
    {"Plain.", "Plain."},
    {"One [1].", "One [1]."},
    {"Wrong [2].", "Wrong."},
    {"None [99] and [0].", "None and."},
    {"Renamed [4]!", "Renamed [40]!"},
    {"Two [1][3].", "Two [1][3]."},
    {"Half [1][2].", "Half [1]."},
    {"List [1, 3].", "List [1][3]."},
    {"List [1; 2;3].", "List [1][3]."},
    {"Range [1-4].", "Range [1][3][40]."},
    {"En dash [3\xE2\x80\x93"
     "4].",
     "En dash [3][40]."},
    {"Backwards [4-1].", "Backwards."},
    {"Huge [1-999999].", "Huge."},
    {"Between [0, 1] or [0-3], up to [3, 0].", "Between [0, 1] or [0-3], up to [3, 0]."},
    {"Bold <b>[99]</b> and <i>[1]</i>.", "Bold \\<b>\\</b> and \\<i>[1]\\</i>."},
    {"Hidden [9<!-- -->9] <!-- [1] -->", "Hidden [9\\<!-- -->9] \\<!-- [1] -->"},
    {"Split [9<br>9] [9<sup></sup>9].", "Split [9\\<br>9] [9\\<sup></sup>9]."},
    {"CO<sub>2</sub><br/>next, 3 < 5, a<", "CO<sub>2</sub><br/>next, 3 < 5, a<"},
    {"Disguised &#91;99&#93; &lbrack;9&rsqb; AT&T &amp;", "Disguised \\&#91;99\\&#93; \\&lbrack;9\\&rsqb; AT&T &amp;"},
    {"\\<b> \\\\<b> `<b>`", "\\<b> \\\\\\<b> `<b>`"},
    {"![x](https://a.example/p.png) so![1] !", "\\![x](https://a.example/p.png) so![1] !"},
    {"[x](https://a.example) [x]( HTTP://a.example)", "[x](https://a.example) [x]( HTTP://a.example)"},
    {"[x](javascript:alert(1)) [y](//a.example) [z](#a) [q](http:x)",
     "[x] (javascript:alert(1)) [y] (//a.example) [z] (#a) [q] (http:x)"},
    {"[x](", "[x] ("},
    {"<[9]b>&[9]#91;!<[9]!-- [x][9](//a) [9]!", "< b>& #91;!< !-- [x] (//a)!"},
    {"<javascript:alert(1)> <https://a.example>", "\\<javascript:alert(1)> \\<https://a.example>"},
    {"So.\n\n[x]: javascript:alert(1)\n[y]: <data:x> \"t\"\n[z]:\n//a.example",
     "So.\n\n[x] : javascript:alert(1)\n[y] : \\<data:x> \"t\"\n[z] :\n//a.example"},
    {"[x]: https://a.example\n[a\\]b]: so\nAs [x]: so, \\[x]: so, [x\\]: so.",
     "[x] : https://a.example\n[a\\]b] : so\nAs [x]: so, \\[x]: so, [x\\]: so."},
    {"- [x]: javascript:alert(1)\n\t[y]: javascript&colon;alert(1)\n> 1. [two\nlines]: data:x",
     "- [x] : javascript:alert(1)\n\t[y] : javascript&colon;alert(1)\n> 1. [two\nlines] : data:x"},
    {"[x[9]]: data:x\n[y][9]: data:x\n[`z`]: data:x\n", "[x] : data:x\n[y] : data:x\n[`z`] : data:x\n"},
    {"[x`]: data:x`\n`[y]: data:x`", "[x\\`] : data:x\\`\n`[y]: data:x`"},
    {"So.\r\r[x]: data:x\r\n```\rx\r```\r<b>", "So.[x]: data:x\n```x```\\<b>"},
    {"Beyond numbers [18446744073709551617].", "Beyond numbers."},
    {"Footnote [^1].", "Footnote [1]."},
    {"Note [sic] [a1] [] [1,] [,1] [-1] [1 2].", "Note [sic] [a1] [] [1,] [,1] [-1] [1 2]."},
    {"Linked [1](https://evil.example/x) on.", "Linked [1] on."},
    {"Linked [9](https://evil.example/x) on.", "Linked on."},
    {"Aside [1] (see below).", "Aside [1] (see below)."},
    {"Aside [1](see below).", "Aside [1] (see below)."},
    {"Open [1](https://", "Open [1] (https://"},
    {"Blank [1](\thttps://evil.example)", "Blank [1] (\thttps://evil.example)"},
    {"Host [1](//evil.example).", "Host [1] (//evil.example)."},
    {"Label [1][x] [1][].\n\n[x]: https://evil.example", "Label [1] [x] [1] [].\n\n[x] : https://evil.example"},
    {"Gone between [1][2](//evil.example).", "Gone between [1] (//evil.example)."},
    {"Brackets [[1]](//evil.example) [[1]][x].", "Brackets [[1]] (//evil.example) [[1]] [x]."},
    {"Made of two [9[2]9] [9 [2]9] [9[1]9].", "Made of two [9?9] [9?9] [9[1]9]."},
    {"Escaped \\[99\\] \\[4\\].", "Escaped \\\\ \\[40]."},
    {"\\[9]<b> \\[9]\\<b> \\[9]`<b>` \\ [9]<b>", "\\\\\\<b> \\\\\\<b> \\\\`<b>` \\\\\\<b>"},
    {"[x ``]`](data:x)`` `[9]`", "[x \\`\\`]\\`] (data:x)\\`\\` `[9]`"},
    {"[x\n```\n]: data:x\n[y]: z\n```\n", "[x\n```\n] : data:x\n[y] : z\n```\n"},
    {"```\n]: data:x\n[y]: z\n```\n", "```\n]: data:x\n[y]: z\n```\n"},
    {"Two lines [99\n] [1\n].", "Two lines [1]."},
    {"Ends [", "Ends ["},
    {"Ends [1", "Ends [1"},
    {"Ends [1]", "Ends [1]"},
    {"Blanks at the end  ", "Blanks at the end  "},
    {"Code `a[9]` and [9].", "Code `a[9]` and."},
    {"Code ``a`[9]`` and [9].", "Code ``a`[9]`` and."},
    {"Lone ` tick [9]\n\nNext [9].", "Lone \\` tick\n\nNext."},
    {"Rose by 5` to 7 [9]. Also [1].", "Rose by 5\\` to 7. Also [1]."},
    {"- 5` tall\n- more [9] 6` tall", "- 5\\` tall\n- more 6\\` tall"},
    {"Lone ` tick [9]\r\n\r\nNext ` [9].", "Lone \\` tick\n\nNext \\`."},
    {"Escaped \\` tick [9] ` on.", "Escaped \\` tick \\` on."},
    {"No escape \\\\`a[9]` [9].", "No escape \\\\`a[9]`."},
    {"| 5` | [9] 6` |\n", "| 5\\` | 6\\` |\n"},
    {"| ` | <img src=x onerror=alert(1)> ` |", "| \\` | \\<img src=x onerror=alert(1)> \\` |"},
    {"| ` | &#91;9&#93; ` | `<b>` | `a[9]` |", "| \\` | \\&#91;9\\&#93; ` | `\\<b>` | `a\\` |"},
    {"| `a | b` `<b>` |\n`ls | wc` `<b>`", "| `a | b` \\`\\<b>\\` |\n`ls | wc` \\`\\<b>\\`"},
    {"| `a|b` |\n| `<b>` | `a[9]` |", "| `a|b` |\n| `<b>` | `a[9]` |"},
    {"```x``` is a flag [9].\nSo [9].", "```x``` is a flag.\nSo."},
    {"```\nx[9]\n```py\ny[9]\n  ````  \nz [9]\n", "```\nx[9]\n```py\ny[9]\n  ````  \nz\n"},
    {"~~~\n```\nx[9]\n~~~\nz [9]\n", "~~~\n```\nx[9]\n~~~\nz\n"},
    {"1. Do\n   ```sh\n   x\n\nAfter [9]", "1. Do\n   ```sh\n   x\n\nAfter"},
    {"```c\nx[9]", "```c\nx[9]\n```"},
    {" ```\nx\n```\n<b>", " ```\nx\n```\n\\<b>"},
    {"- ~~~\n  x\n~~~\n<b> a~~~", "- ~~~\n  x\n~~~\n\\<b> a~~~"},
    {"[9]~~~\nx\n~~~\n<b>", "~~~\nx\n~~~\n\\<b>"},
    {"~~[9]~\nx\n~~~\n\\[1]\n~~~\n<b>", "~~ ~\nx\n~~~\n\\[1]\n~~~\n\\<b>"},
    {"[\n```(]: data:x\n```", "[\n```(] : data:x\n```"},
    {"```markdown\n# Title\nOne [1], none [9].\n```\n", "# Title\nOne [1], none.\n"},
    {"````md\n```\nx[9]\n```\nNone [9].\n````", "```\nx[9]\n```\nNone.\n"},
    {"```\nx[9]\n\ny[9]\n```\nz [9]\n", "```\nx[9]\n\ny[9]\n```\nz\n"},
    {"Text.\n\n[1]: https://evil.example/\nMore [1].", "Text.\n\nMore [1]."},
    {"Text.\n\n  [1]: https://evil.example/\n> [3]: //evil.example\nMore.", "Text.\n\nMore."},
    {"- [1]: //evil.example\n 1. > [3]: so\nSays [1]: so.", "- [1] : //evil.example\n 1. > [3] : so\nSays [1]: so."},
    {"[ 1 ]: //evil.example", "[1] : //evil.example"},
    {"[1\n]: //evil.example", "[1] : //evil.example"},
    {"Text.\n\n## References\n\n[1] A. https://x\n\n[2] B\n", "Text.\n\n"},
    {"Text.\n\n**References**\n- [1] A\n- [9] B\n\n## After\nOn [1].", "Text.\n\n## After\nOn [1]."},
    {"Text.\n\n## 5. References:\n1. A\n2. B", "Text.\n\n"},
    {"Text.\n\n## References", "Text.\n\n"},
    {"## References\n\nare what follows here [1].", "## References\n\nare what follows here [1]."},
    {"## Sources\n\n1. Wind\n2. Sun [1]\n", "## Sources\n\n1. Wind\n2. Sun [1]\n"},
    {"* an item\n** [1]\n**bold** [9] [1]\n", "* an item\n** [1]\n**bold** [1]\n"},
    {"\xE6\xBC\xA2\xE5\xAD\x97 [1]\xE3\x80\x82 [9]\xE3\x80\x82",
     "\xE6\xBC\xA2\xE5\xAD\x97 [1]\xE3\x80\x82\xE3\x80\x82"},
};
enum { EXAMPLES = sizeof examples / sizeof examples[0] };

static void what_comes_out(void)
{
    for (size_t i = 0; i < EXAMPLES; i++) CHECK_STR(checked(examples[i].in), examples[i].out);
    memory_free();
}

/* In pieces of which the n-th is lengths[n % count] long. */
static void check_pieces(const char *words, const size_t *lengths, size_t count)
{
    const char *whole = checked(words);
    citations f = citations_new(NULL, shown, SHOWN);
    sw_text out = {0};
    size_t len = strlen(words);
    for (size_t at = 0, n = 0; at < len; n++) {
        size_t piece = lengths[n % count] < len - at ? lengths[n % count] : len - at;
        sw_bytes got = citations_take(&f, words + at, piece, false);
        sw_text_add_bytes(NULL, &out, got.data, got.len);
        at += piece;
    }
    sw_bytes rest = citations_take(&f, "", 0, true);
    sw_text_add_bytes(NULL, &out, rest.data, rest.len);
    CHECK_STR(sw_text_str(&out), whole);
    CHECK_STR(sw_text_str(&f.out), whole);
    memory_free();
}

static void pieces_make_no_difference(void)
{
    for (size_t i = 0; i < EXAMPLES; i++)
        for (size_t first = 1; first < 20; first++)
            for (size_t second = 1; second < 4; second++)
                check_pieces(examples[i].in, (const size_t[]){first, second}, 2);
}

static uint64_t random_state = 20261126;

static size_t random_below(size_t n)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (size_t)(random_state >> 33) % n;
}

static void random_texts_in_random_pieces(void)
{
    static const char *const parts[] = {"[",           "]",       "1",
                                        "2",           "99",      ", ",
                                        "; ",          "-",       " ",
                                        "\n",          "\n\n",    "`",
                                        "```",         "# ",      "**",
                                        "> ",          "\\",      "~~~",
                                        "\r\n",        "\r",      "]:",
                                        "markdown",    "|",       "References",
                                        "(https://x)", "(",       ")",
                                        ":",           "word",    "\xE2\x80\x93",
                                        "[1]",         " [3]",    "\n## References\n",
                                        "\n[2]: ",     "\n[x]: ", "<",
                                        "<b",          "<sub>",   "&#",
                                        "!",           "](",      "https:",
                                        "//",          "- "};
    for (int round = 0; round < 20000; round++) {
        char words[600] = "";
        for (size_t n = random_below(30); n > 0; n--)
            strcat(words, parts[random_below(sizeof parts / sizeof parts[0])]);
        const size_t lengths[] = {1 + random_below(9), 1 + random_below(3), 1 + random_below(40)};
        check_pieces(words, lengths, 3);
        CHECK(marks_are_good(checked(words), shown, SHOWN));
        memory_free();
    }
}

/* In a learning, which is shown as plain text, markup is text. */
static void plain_texts(void)
{
    CHECK_STR(citations_checked(NULL, "p<x, <b>[1]</b> [9] [x](y)", shown, SHOWN), "p<x, <b>[1]</b> [x](y)");
    memory_free();
}

static void a_long_mark_is_checked_too(void)
{
    static const int lengths[] = {70, 90, 1500, 1999, 2000, 5000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char words[6000];
        (void)snprintf(words, sizeof words, "Zeros [%0*d].", lengths[i], 9);
        CHECK(marks_are_good(checked(words), shown, SHOWN));
        check_pieces(words, (const size_t[]){7, 100}, 2);
    }
}

static void tells_what_was_cited_and_dropped(void)
{
    citations f = citations_new(NULL, shown, SHOWN);
    static const char words[] = "A [1]. B [2, 4]. C [7]. `[3]`";
    (void)citations_take(&f, words, strlen(words), true);
    CHECK(f.cited[0] && !f.cited[1] && !f.cited[2] && f.cited[3]);
    CHECK_INT(f.dropped, 2);
    CHECK_STR(sw_text_str(&f.dropped_marks), " [2, 4] [7]");
    memory_free();
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {{"what comes out", what_comes_out},
                                       {"pieces make no difference", pieces_make_no_difference},
                                       {"plain texts", plain_texts},
                                       {"random texts in random pieces", random_texts_in_random_pieces},
                                       {"a long mark is checked too", a_long_mark_is_checked_too},
                                       {"tells what was cited and dropped", tells_what_was_cited_and_dropped}};
    return check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
}
