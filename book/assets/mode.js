// A first visit has no choice of light or dark yet: say "auto" before the theme asks, which would otherwise report an invalid mode.
document.documentElement.dataset.mode ||= "auto";
