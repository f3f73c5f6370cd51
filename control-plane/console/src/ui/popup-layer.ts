export const popupLayerId = 'popups';

/** Menus and hints live in a landmark of their own; dialogs are one themselves. */
export const popupLayer = (): HTMLElement | null => document.getElementById(popupLayerId);
