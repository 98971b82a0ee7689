"""The effects of Zengge's bulbs, in the words of flux_led and led-ble."""

# The library's names for effects, and ours.
EFFECTS = {
    "colorloop": "fade-7",
    "red_fade": "fade-red",
    "green_fade": "fade-green",
    "blue_fade": "fade-blue",
    "yellow_fade": "fade-yellow",
    "cyan_fade": "fade-cyan",
    "purple_fade": "fade-magenta",
    "white_fade": "fade-white",
    "rg_cross_fade": "crossfade-red-green",
    "rb_cross_fade": "crossfade-red-blue",
    "gb_cross_fade": "crossfade-green-blue",
    "colorstrobe": "blink-7",
    "red_strobe": "blink-red",
    "green_strobe": "blink-green",
    "blue_strobe": "blink-blue",
    "yellow_strobe": "blink-yellow",
    "cyan_strobe": "blink-cyan",
    "purple_strobe": "blink-magenta",
    "white_strobe": "blink-white",
    "colorjump": "jump-7",
}
