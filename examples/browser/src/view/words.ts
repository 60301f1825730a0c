/**
 * Nothing can be dropped where there is only a touch screen
 */
export const DROP = matchMedia('(hover: none) and (pointer: coarse)').matches ? 'Add' : 'Drop'
