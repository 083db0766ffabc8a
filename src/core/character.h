#pragma once
/*
 * character: which code points may stand in a name, and which are only packing.
 *
 * Small tables of ranges, from the Unicode Character Database where it has a property and from the
 * registers' practice where it has none. Deliberately not the library's tables: those end with the
 * Unicode version it was built for, and a character added later is a name all the same. Pure
 * functions; any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#define CHARACTER_INTERPUNCT 0xb7

/* Unicode White_Space. */
bool character_is_space(int32_t c);

/*
 * Zero-width and direction characters, the byte order mark and the soft hyphen: what copying from
 * an address book or a spreadsheet leaves around a value.
 */
bool character_is_invisible(int32_t c);

/* The hyphen, its look-alikes and the minus sign. */
bool character_is_dash(int32_t c);

/* U+00B7 itself, or what keyboards and old encodings give for it wherever it stands. */
bool character_is_interpunct(int32_t c);

/*
 * Han characters of names: the unified ideographs with all their extensions (planes 2 and 3 whole,
 * which Unicode sets aside for them), the compatibility ideographs, U+3007, and private use, where
 * GBK and GB 18030 kept rare characters.
 */
bool character_is_han(int32_t c);

/* Letters of the Latin script, plain or with marks in one code point. */
bool character_is_latin(int32_t c);
