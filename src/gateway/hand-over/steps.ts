/** Where a hand-over stands, on either side. Tests end a process there. */
export const handOverSteps = [
  ...(['next:asks', 'leaving:listens', 'leaving:books', 'leaving:free', 'next:answered', 'next:locked'] as const),
  ...(['next:called', 'next:books', 'next:ready', 'leaving:released', 'next:settled'] as const),
] as const;
export type HandOverStep = (typeof handOverSteps)[number];
export type AtStep = (step: HandOverStep) => void;
