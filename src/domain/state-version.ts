/** The newest layout of fleet.db this version reads and writes: the number of the store's migrations. */
export const stateVersion = 13;
